package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is this program in another role.
type process struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	ask  *json.Encoder
	told *json.Decoder
}

// start runs the program in a role. args is the first line that it is told, and its
// first answer goes to told.
func start(role string, args, told any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-role", role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{role, cmd, in, json.NewEncoder(in), json.NewDecoder(out)}
	if err := p.do(args, told); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

// do sends a command and takes the answer.
func (p *process) do(command, answer any) error {
	if err := p.ask.Encode(command); err != nil {
		return fmt.Errorf("%s: %w", p.role, err)
	}
	var got struct {
		Error  string
		Answer json.RawMessage
	}
	if err := p.told.Decode(&got); err != nil {
		return fmt.Errorf("%s: %w", p.role, err)
	}
	if got.Error != "" {
		return fmt.Errorf("%s: %s", p.role, got.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got.Answer, answer)
}

func (p *process) end() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}

// obey answers the commands on stdin until it ends. The first one goes to begin.
func obey(begin func(raw json.RawMessage) (any, error), do func(raw json.RawMessage) (any, error)) error {
	commands, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for next := begin; ; next = do {
		var raw json.RawMessage
		if err := commands.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := next(raw)
		told := map[string]any{"answer": answer}
		if err != nil {
			told = map[string]any{"error": err.Error()}
		}
		if err := answers.Encode(told); err != nil {
			return err
		}
	}
}

// usage is what a process takes, after everything that it can do without was given back.
type usage struct {
	RSS        int64 // bytes that are resident
	Heap       int64 // bytes of live objects
	Stack      int64 // bytes of goroutines' stacks
	Goroutines int
	CPU        float64 // seconds until now
}

// measure collects garbage first unless told not to, and then twice: what finalizers and
// pools hold goes the second time.
func measure(collect bool) (usage, error) {
	u := usage{CPU: cpu()} // before, so that the collection does not count
	if collect {
		runtime.GC()
		runtime.GC()
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Heap, u.Stack, u.Goroutines = int64(m.HeapAlloc), int64(m.StackInuse), runtime.NumGoroutine()
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return u, err
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(status)[1]), 10, 64)
	u.RSS = pages * int64(os.Getpagesize())
	return u, err
}

func cpu() float64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // it has no error for oneself
	}
	seconds := func(t unix.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }
	return seconds(r.Utime) + seconds(r.Stime)
}

// now is CLOCK_MONOTONIC in nanoseconds, which all processes of a machine share.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every Linux has it
	}
	return t.Nano()
}
