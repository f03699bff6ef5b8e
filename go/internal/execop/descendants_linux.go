package execop

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// adopt has this process become the parent of what the programs leave behind, so that it
// can be found and ended, in whatever session it is.
var adopt = sync.OnceFunc(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })

// programs are those that are waited for by number. A process with a Runner starts no
// others: what else it is the parent of was left behind.
var programs = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

// startProgram starts a program, and knows of it before it can end.
func startProgram(cmd *exec.Cmd) error {
	adopt()
	programs.Lock()
	defer programs.Unlock()
	err := cmd.Start()
	if err == nil {
		programs.pids[cmd.Process.Pid] = true
	}
	return err
}

// waitProgram waits for a program. Its number may be another one's afterwards.
func waitProgram(cmd *exec.Cmd) error {
	err := cmd.Wait()
	programs.Lock()
	defer programs.Unlock()
	delete(programs.pids, cmd.Process.Pid)
	return err
}

// bury takes the status of a process that was left behind and has ended.
func (p process) bury() {
	programs.Lock()
	defer programs.Unlock()
	if p.parent == os.Getpid() && !programs.pids[p.pid] {
		_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
	}
}

// process is one of this process's descendants. The start tells it from a later one with
// the same number.
type process struct {
	pid, parent int
	start       string
}

// maxSweeps bounds how often what a program leaves behind is looked for: it may start
// processes faster than they are ended.
const maxSweeps = 100

// maxTries bounds how often a process without an environment is looked at again.
const maxTries = 20

// descendants returns the processes below one, from /proc.
func descendants(root int) []process {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	children := map[int][]process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var found []process
	below := []int{root}
	for len(below) > 0 {
		next := children[below[0]]
		below = below[1:]
		for _, p := range next {
			found = append(found, p)
			below = append(below, p.pid)
		}
	}
	return found
}

// readProcess reads /proc/PID/stat; its second field may hold anything.
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return process{}, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return process{pid, parent, string(fields[19])}, err == nil
}

// carries reports whether a process has the run's mark in its environment. unknown says
// that it has none at all, as while it becomes another program.
func (p process) carries(mark string) (marked, unknown bool) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	return bytes.Contains(append([]byte{0}, env...), []byte("\x00"+mark+"\x00")), err == nil && len(env) == 0
}

// note remembers what the program has started up to now: it may have lost the mark.
func (s *run) note() { s.noted = append(s.noted, descendants(s.cmd.Process.Pid)...) }

// sweep ends what is left of a program that has ended: what carries its mark, what was
// noted, and what they have started.
func (s *run) sweep() {
	self := os.Getpid()
	tries := maxTries
	for range maxSweeps {
		left, unclear := false, false
		all := descendants(self)
		ours := map[int]bool{}
		for _, p := range all { // parents come before their children
			if p.pid == s.cmd.Process.Pid {
				continue // it is waited for by itself
			}
			mine := ours[p.parent] || s.wasNoted(p)
			if !mine {
				var unknown bool
				mine, unknown = p.carries(s.mark)
				unclear = unclear || unknown
			}
			if mine {
				ours[p.pid] = true
				if unix.Kill(p.pid, unix.SIGKILL) == nil {
					left = true
				}
			}
			p.bury()
		}
		switch {
		case left:
		case unclear && tries > 0:
			tries--
			time.Sleep(time.Millisecond)
		default:
			return
		}
	}
}

func (s *run) wasNoted(p process) bool {
	for _, known := range s.noted {
		if known.pid == p.pid && known.start == p.start {
			return true
		}
	}
	return false
}
