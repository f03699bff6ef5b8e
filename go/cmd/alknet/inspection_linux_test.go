package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/engine"
)

// asUser makes a command that an ordinary user runs, whoever runs the tests: for
// root there are no limits on locked memory, and no files that others own.
func asUser(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	cmd.Env = environment("/")
	cmd.Dir = "/"
}

// A process that asks for a phrase leaves no core file and shows nobody its memory.
func TestProcessIsClosed(t *testing.T) {
	s := onScreen(t, nil, "secret", "check")
	s.until("Phrase: ")
	proc := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	limits, err := os.ReadFile(proc + "limits")
	must(t, err)
	found := false
	for line := range strings.Lines(string(limits)) {
		if size, ok := strings.CutPrefix(line, "Max core file size"); ok {
			found = true
			if fields := strings.Fields(size); fields[0] != "0" || fields[1] != "0" {
				t.Errorf("core files: %s", line)
			}
		}
	}
	if !found {
		t.Errorf("no limit of core files in:\n%s", limits)
	}
	s.enter("")
	s.end()

	// The kernel gives the files of an undumpable process to root.
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := command(t, "secret", "check", "--phrase-fd", "3")
	asUser(cmd)
	cmd.ExtraFiles = []*os.File{r}
	stderr, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	owner := func() uint32 {
		var info syscall.Stat_t
		must(t, syscall.Stat(fmt.Sprintf("/proc/%d/mem", cmd.Process.Pid), &info))
		return info.Uid
	}
	// It waits for the phrase, and has closed itself before: wait for that.
	for deadline := time.Now().Add(30 * time.Second); owner() != 0; {
		if time.Now().After(deadline) {
			t.Fatal("other processes of the user can read the memory")
		}
	}
	must(t, w.Close())
	text := make([]byte, 200)
	n, _ := stderr.Read(text)
	if err := cmd.Wait(); err == nil || !strings.Contains(string(text[:n]), "the phrase is empty") {
		t.Errorf("%v: %s", err, text[:n])
	}
}

// The engine that holds an application's secrets is as closed, to the application too.
func TestEngineIsClosed(t *testing.T) {
	cmd := command(t, "engine")
	asUser(cmd)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	hello := append([]byte{0, 0, 0, 17}, "Halknet engine\x00\x00\x00"+string(rune(engine.ABIVersion))...)
	_, err = stdin.Write(hello)
	must(t, err)
	answer := make([]byte, len(hello))
	_, err = io.ReadFull(stdout, answer)
	must(t, err)
	if !bytes.Equal(answer[4:], hello[4:]) {
		t.Errorf("it greets with %q", answer)
	}
	// The kernel gives the files of an undumpable process to root.
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	var info syscall.Stat_t
	must(t, syscall.Stat(proc+"mem", &info))
	if info.Uid != 0 {
		t.Error("other processes of the user can read the memory")
	}
	limits, err := os.ReadFile(proc + "limits")
	must(t, err)
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("it may write core files:\n%s", limits)
	}
	must(t, stdin.Close())
	must(t, cmd.Wait())
}

// Where the kernel locks no memory the store says so once, or refuses.
func TestMemoryThatIsNotLocked(t *testing.T) {
	phrase := vectors(t)[0].Mnemonic
	limited := func(t *testing.T, kib string, args ...string) result {
		cmd := command(t)
		cmd.Path = "/bin/sh"
		cmd.Args = append([]string{"sh", "-c", "ulimit -l " + kib + ` && exec "$0" "$@"`, binary}, append(args, "--phrase-fd", "3")...)
		asUser(cmd)
		cmd.ExtraFiles = []*os.File{pipeOf(t, phrase)}
		return finish(t, cmd)
	}
	for _, args := range [][]string{{"secret", "check", "--json"}, {"secret", "show-public", "--json"}, {"secret", "password", "site"}} {
		r := limited(t, "0", args...)
		if r.exit != 0 || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "alknet: warning: the system refuses to lock memory") {
			t.Errorf("%s: exit %d: %s", args, r.exit, r.stderr)
		}
		if args[1] == "check" && !strings.Contains(r.stdout, `"memory":"unlocked"`) {
			t.Errorf("the status is %s", r.stdout)
		}
		r = limited(t, "0", append(args, "--require-locked-memory")...)
		if r.exit != 1 || r.stdout != "" || !strings.HasPrefix(r.stderr, "alknet: MEMORY_LOCK: ") {
			t.Errorf("%s, locked memory required: exit %d: %s%s", args, r.exit, r.stdout, r.stderr)
		}
		r = limited(t, "64", append(args, "--require-locked-memory")...)
		if r.exit != 0 || r.stderr != "" {
			t.Errorf("%s, 64 KiB: exit %d: %s", args, r.exit, r.stderr)
		}
	}
}

// A phrase file is checked as ssh checks a key file.
func TestPhraseFile(t *testing.T) {
	v := vectors(t)[0]
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	must(t, os.Symlink("good", filepath.Join(dir, "link")))
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"good": {v.Mnemonic + "\r\n", 0o600}, "read-only": {v.Mnemonic, 0o400}, "group": {v.Mnemonic, 0o640}, "others": {v.Mnemonic, 0o604},
		"empty": {"", 0o600}, "blank": {"\n", 0o600}, "long": {strings.Repeat(v.Mnemonic+" ", 60), 0o600}, "binary": {"\x00\xff", 0o600},
	} {
		writeFile(t, filepath.Join(dir, name), file.text, file.mode)
	}
	for name, want := range map[string]string{
		"good": "", "read-only": "", "link": "",
		"group": "can be read by others (mode 0640): run `chmod 600 ", "others": "can be read by others (mode 0604)",
		"folder": "is a directory", "pipe": "is not a regular file: for a pipe use --phrase-fd", "missing": "--phrase-file names no file that exists",
		"empty": "the phrase is empty", "blank": "the phrase is empty", "long": "the phrase has more than 4096 bytes", "binary": "the phrase: the text has NUL bytes",
	} {
		r := finish(t, command(t, "secret", "check", "--phrase-file", filepath.Join(dir, name)))
		switch {
		case want == "" && (r.exit != 0 || !strings.Contains(r.stdout, v.fingerprint())):
			t.Errorf("%s: exit %d: %s", name, r.exit, r.stderr)
		case want != "" && (r.exit != 1 || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1):
			t.Errorf("%s: exit %d: %s", name, r.exit, r.stderr)
		}
	}
}

// memoryHolds reports which of the texts the memory of a process holds.
func memoryHolds(t *testing.T, pid int, texts ...string) []string {
	t.Helper()
	mappings, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer mem.Close()
	held := map[string]bool{}
	for line := range strings.Lines(string(mappings)) {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !strings.HasPrefix(rights, "r") || to > 1<<63 {
			continue
		}
		// A mapping is read in pieces that overlap; what cannot be read, such as
		// [vvar] or pages that were never touched, holds nothing.
		const piece, overlap = 1 << 20, 256
		buf := make([]byte, piece+overlap)
		for at := from; at < to; at += piece {
			n, _ := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at))
			for _, text := range texts {
				if bytes.Contains(buf[:n], []byte(text)) {
					held[text] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(held))
}

// A node that runs has the keys, and the phrase and the passphrase no more, however
// they came.
func TestServeForgetsThePhrase(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look into the process, which is what TestProcessIsClosed shows")
	}
	phrase := "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"
	const passphrase, canary = "a passphrase nobody else has", "a name that stays in memory"
	const sequence = "absurd amount doctor" // not so in any wordlist
	look := func(t *testing.T, pid int) {
		t.Helper()
		if held := memoryHolds(t, pid, sequence, passphrase[2:20], canary); !slices.Equal(held, []string{canary}) {
			t.Errorf("the memory holds %q", held)
		}
	}
	args := []string{"serve", "--listen", "tcp://127.0.0.1:0", "--identity-from-secret", "--name", canary}
	t.Run("descriptors", func(t *testing.T) {
		cmd := command(t, append(args, "--json", "--phrase-fd", "3", "--passphrase-fd", "4")...)
		cmd.ExtraFiles = []*os.File{pipeOf(t, phrase+"\n"), pipeOf(t, passphrase+"\n")}
		stdout, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		_, err = bufio.NewReader(stdout).ReadString('\n')
		must(t, err)
		look(t, cmd.Process.Pid)
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		must(t, cmd.Wait())
	})
	t.Run("prompt", func(t *testing.T) {
		s := onScreen(t, nil, append(args, "--passphrase")...)
		s.until("Phrase: ")
		s.enter(phrase)
		s.until("Passphrase: ")
		s.keys("mistaken\x15")
		s.enter(passphrase)
		s.until("/echo/echo")
		look(t, s.cmd.Process.Pid)
		must(t, s.cmd.Process.Signal(syscall.SIGTERM))
		if exit, shown := s.end(); exit != 0 {
			t.Errorf("exit %d:\n%s", exit, shown)
		}
	})
}
