package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// lasting are the commands that run until a signal ends them.
var lasting = map[string]bool{"serve": true, "worker": true, "service": true}

// lingering is how long a command may take to end after a signal, unless it says more by
// mayTake: one that waits for something else ends with it.
const lingering = time.Second

// ending is how a command ends by a signal.
type ending struct {
	hangup   chan os.Signal
	patience atomic.Int64 // time.Duration
}

// handleSignals takes the signals of a command, before it prints anything. A second one
// ends the program at once.
func handleSignals(command string) (ctx context.Context, e *ending, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	e = &ending{hangup: make(chan os.Signal, 1)}
	e.patience.Store(int64(lingering))
	if lasting[command] {
		// Writing to a pipe that nobody reads is an error like others; unlike one that is
		// ignored, a signal that is taken is not inherited by programs that a worker starts.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
		notifyHangup(e.hangup)
	}
	return ctx, e, stop
}

// mayTake has the command end within d of a signal, and a moment.
func (e *ending) mayTake(d time.Duration) { e.patience.Store(int64(d + 2*lingering)) }

// wait waits for a command, and not much longer than to the signal that ends it.
func (e *ending) wait(ctx context.Context, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	signalled := time.Now()
	for {
		left := time.Duration(e.patience.Load()) - time.Since(signalled)
		if left <= 0 {
			return errInterrupted
		}
		select {
		case err := <-done:
			return err
		case <-time.After(min(left, lingering)): // it may have got more time meanwhile
		}
	}
}

// onHangup has reload called for each SIGHUP, those before this call included.
func (a *app) onHangup(reload func()) {
	go func() {
		for {
			select {
			case <-a.ending.hangup:
				reload()
			case <-a.ctx.Done():
				return
			}
		}
	}()
}
