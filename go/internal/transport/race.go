package transport

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"
)

// refusedGrace is how long QUIC may still take once the host has refused the TCP
// connection. UDP knows no refusal: without it, dialling where nothing listens would
// take the whole timeout.
const refusedGrace = time.Second

var errDefect = errors.New("dialling met a defect of this node")

// errSilent is what is known of QUIC when the grace is over.
var errSilent = errors.New("no answer over QUIC")

type attempt struct {
	conn Conn
	err  error
}

// race dials QUIC and, when that has not answered after the delay or has failed,
// TLS beside it. The first that authenticates wins; a node that has proven another key
// than the pinned one ends the race.
func race(ctx context.Context, a Address, cfg DialConfig) (Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan attempt) // unbuffered: a loser's connection is never left in it
	pending := 0
	start := func(dial func(context.Context, Address, DialConfig) (Conn, error)) {
		pending++
		go func() {
			defer func() {
				if p := recover(); p != nil {
					cfg.Logger.Error("dialling met a defect", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
					results <- attempt{err: errDefect}
				}
			}()
			conn, err := dial(ctx, a, cfg)
			results <- attempt{conn, err}
		}()
	}
	// The losers end by cancel; their connections, if they made one, are closed.
	defer func() {
		cancel()
		left := pending
		go func() {
			for range left {
				if r := <-results; r.conn != nil {
					_ = r.conn.Close()
				}
			}
		}()
	}()

	start(dialQUIC)
	delay := time.NewTimer(cfg.RaceDelay)
	defer delay.Stop()
	var failure error
	fail := func(err error) {
		if failure == nil {
			failure = err
		} else {
			failure = fmt.Errorf("%w; %w", failure, err)
		}
	}
	unreachable := func() (Conn, error) { return nil, fmt.Errorf("%s cannot be reached: %w", a, failure) }
	var grace <-chan time.Time
	second := false
	for {
		select {
		case <-delay.C:
			if !second {
				second = true
				start(dialTLS)
			}
		case r := <-results:
			pending--
			if r.err == nil {
				return r.conn, nil
			}
			var mismatch *PinMismatchError
			if errors.As(r.err, &mismatch) {
				return nil, r.err
			}
			fail(r.err)
			if !second {
				second = true
				start(dialTLS)
			}
			if pending == 0 {
				return unreachable()
			}
			if errors.Is(r.err, syscall.ECONNREFUSED) {
				timer := time.NewTimer(refusedGrace)
				defer timer.Stop()
				grace = timer.C
			}
		case <-grace:
			fail(errSilent)
			return unreachable()
		}
	}
}
