package execop

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

// run is a program that runs, in a process group of its own.
type run struct {
	cmd    *exec.Cmd
	stdout *os.File
	grace  time.Duration
	over   chan struct{} // closed when the program has ended, and its group with it
	err    error         // how it ended; valid once over is closed

	mark string // in the environment of the program and of what it starts

	mu    sync.Mutex
	gone  bool      // it has ended: its number may soon be another one's
	noted []process // what it had started when it was told to end
}

// start starts the program for a request. It ends with ctx, and is waited for with
// wait.
func (p *program) start(ctx context.Context, req *call.Request) (*run, error) {
	r := p.runner
	caller := req.CallerID()
	if !r.running.TryTake(caller) {
		return nil, call.Errorf(call.ResourceExhausted, "this caller has its share of the %d programs that run on this node at once: try again when one has ended", r.running.Size())
	}
	fail := func(err error) (*run, error) {
		r.running.Give(caller)
		return nil, fmt.Errorf("start %s: %w", p.path, err)
	}
	given, err := p.openCredentials(ctx, req)
	if err != nil {
		return fail(err)
	}
	// A pipe of our own: with that of exec.Cmd, Wait would close it before it is read.
	stdout, theirs, err := os.Pipe()
	if err != nil {
		given.close()
		return fail(err)
	}
	stderr := &logWriter{logger: r.cfg.Logger.With("operation", req.Operation(), "request", req.ID())}
	cmd := &exec.Cmd{
		Path: p.path, Args: p.args, Env: environment(ctx, req),
		Stdin: bytes.NewReader(slices.Concat(req.Input(), []byte{'\n'})), Stdout: theirs, Stderr: stderr,
		WaitDelay: r.cfg.Grace, // for stdin and stderr, once it has ended
	}
	mark := "ALKNET_RUN=" + rand.Text()
	cmd.Env = append(cmd.Env, mark)
	given.pass(cmd)
	ownGroup(cmd)
	err = startProgram(cmd)
	_ = theirs.Close()
	if err != nil {
		given.close()
		_ = stdout.Close()
		return fail(err)
	}
	given.write()
	s := &run{cmd: cmd, stdout: stdout, grace: r.cfg.Grace, over: make(chan struct{}), mark: mark}
	go func() {
		s.err = s.reap()
		given.ended()
		stderr.flush()
		r.running.Give(caller)
		close(s.over)
	}()
	go s.follow(ctx)
	return s, nil
}

// follow ends the program when ctx does. Then, and when the program has ended by
// itself, its output is closed at the latest after the grace: something outside the
// group may hold it open.
func (s *run) follow(ctx context.Context) {
	select {
	case <-ctx.Done():
		s.signal(terminate)
		if !s.endsWithin(s.grace) {
			s.signal(kill)
			<-s.over
		}
	case <-s.over:
	}
	late := time.AfterFunc(s.grace, func() { _ = s.stdout.Close() })
	context.AfterFunc(ctx, func() { // the request has ended, at the latest when it is answered
		late.Stop()
		_ = s.stdout.Close()
	})
}

func (s *run) endsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-s.over:
		return true
	}
}

// signal signals the group, unless the program has ended.
func (s *run) signal(what signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.note()
		signalGroup(s.cmd, what)
	}
}

// ended notes that the program has ended, and ends what is left of its group.
func (s *run) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	signalGroup(s.cmd, kill)
	s.sweep()
}

// wait waits for the program's end and reports how it was.
func (s *run) wait() error {
	<-s.over
	if errors.Is(s.err, exec.ErrWaitDelay) {
		return nil // something outside the group has kept a pipe open
	}
	return s.err
}

// signal is what a group is told.
type signal int

const (
	terminate signal = iota // to end
	kill                    // nothing: it is ended
)
