package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// options are those of the command line.
type options struct {
	transports   []string
	sessions     []int
	idle, active time.Duration
	page, label  string
}

// clientCount is how many processes the sessions come from.
const clientCount = 2

// level is what was measured with so many sessions over one transport.
type level struct {
	Transport string
	Sessions  int
	Open      float64 // seconds until all were open
	Refused   int     // attempts to connect that were made again
	RSS       float64 // of the head, bytes a session, after garbage collection
	Heap      float64 // the same for objects
	Stack     float64 // and for goroutines' stacks
	Worked    float64 // RSS again, when every session has made calls and is idle again
	Routines  float64 // goroutines a session
	IdleCPU   float64 // of the head, in cores; negative where it was not watched
	P50, P99  float64 // of a call on one session while the others are idle, µs
	Calls     float64 // calls a second with one caller on every session
}

// busy is what was measured with many subscriptions over one transport.
type busy struct {
	Transport     string
	Subscriptions int
	Sessions      int
	PerSecond     float64 // events a second, all together
	Missing       int64
	P50, P99      float64 // lag, ms
	CPU           float64 // of the head, in cores
}

// bench is one head with its clients.
type bench struct {
	head    *process
	clients []*process
	address string
	clean   func()
}

func newBench(transport string, sessions int) (b *bench, err error) {
	b = &bench{}
	var listen string
	if listen, b.clean, err = socket(transport); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	keys := make([]string, clientCount)
	for i := range keys {
		p, err := start("client", nil, &keys[i])
		if err != nil {
			return nil, err
		}
		b.clients = append(b.clients, p)
	}
	if b.head, err = start("head", headConfig{Listen: listen, Keys: keys}, &b.address); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *bench) close() error {
	var errs []error
	for _, p := range b.clients {
		errs = append(errs, p.end())
	}
	if b.head != nil {
		errs = append(errs, b.head.end())
	}
	b.clean()
	return errors.Join(errs...)
}

// all has every client do its share of a task at the same time.
func all[T any](b *bench, t task) ([]T, error) {
	answers, failed := make([]T, len(b.clients)), make(chan error, len(b.clients))
	for i, p := range b.clients {
		mine := t
		mine.Count = share(t.Count, i)
		mine.Across = share(t.Across, i)
		go func() {
			if t.Count > 0 && mine.Count == 0 {
				failed <- nil
				return
			}
			failed <- p.do(mine, &answers[i])
		}()
	}
	var errs []error
	for range b.clients {
		errs = append(errs, <-failed)
	}
	return answers, errors.Join(errs...)
}

// share is what client i gets of n.
func share(n, i int) int { return (n + clientCount - 1 - i) / clientCount }

func (b *bench) usage(collect bool) (u usage, err error) {
	err = b.head.do(collect, &u)
	return u, err
}

// open returns how long it took, and how often a client was refused.
func (b *bench) open(sessions int) (seconds float64, refused int, err error) {
	told, err := all[opened](b, task{Do: "open", Address: b.address, Count: sessions})
	for _, o := range told {
		seconds, refused = max(seconds, o.Seconds), refused+o.Refused
	}
	return seconds, refused, err
}

func (o *options) run() error {
	var levels []level
	var busies []busy
	for _, transport := range o.transports {
		for _, n := range o.sessions {
			l, err := o.measure(transport, n)
			if err != nil {
				return fmt.Errorf("%s, %d sessions: %w", transport, n, err)
			}
			fmt.Fprintf(os.Stderr, "%+v\n", l)
			levels = append(levels, l)
		}
		for _, s := range []struct{ subscriptions, sessions int }{{1000, 2}, {1000, 1000}, {5000, 1000}} {
			if s.sessions > slices.Max(o.sessions) {
				continue
			}
			y, err := o.subscribe(transport, s.subscriptions, s.sessions)
			if err != nil {
				return fmt.Errorf("%s, %d subscriptions: %w", transport, s.subscriptions, err)
			}
			fmt.Fprintf(os.Stderr, "%+v\n", y)
			busies = append(busies, y)
		}
	}
	return o.report(levels, busies)
}

// measure takes one level, with a head and clients of its own.
func (o *options) measure(transport string, n int) (l level, err error) {
	b, err := newBench(transport, n+clientCount)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	l = level{Transport: transport, Sessions: n, IdleCPU: -1}
	// What is made once is not a session's cost: a first one goes before.
	if _, _, err := b.open(clientCount); err != nil {
		return l, err
	}
	if _, err := all[called](b, task{Do: "call", Seconds: 0.3}); err != nil {
		return l, err
	}
	if _, err := all[any](b, task{Do: "close"}); err != nil {
		return l, err
	}
	before, err := b.settled(0)
	if err != nil {
		return l, err
	}
	if l.Open, l.Refused, err = b.open(n); err != nil {
		return l, err
	}
	after, err := b.settled(before.Goroutines + n)
	if err != nil {
		return l, err
	}
	per := func(a, b int64) float64 { return float64(b-a) / float64(n) }
	l.RSS, l.Heap, l.Stack = per(before.RSS, after.RSS), per(before.Heap, after.Heap), per(before.Stack, after.Stack)
	l.Routines = float64(after.Goroutines-before.Goroutines) / float64(n)
	if n >= 1000 && o.idle > 0 {
		began, err := b.usage(false)
		if err != nil {
			return l, err
		}
		time.Sleep(o.idle)
		ended, err := b.usage(false)
		if err != nil {
			return l, err
		}
		l.IdleCPU = (ended.CPU - began.CPU) / o.idle.Seconds()
	}
	var pinged called
	if err := b.clients[0].do(task{Do: "ping", Count: 500}, nil); err != nil { // warm-up
		return l, err
	}
	if err := b.clients[0].do(task{Do: "ping", Count: 3000}, &pinged); err != nil {
		return l, err
	}
	l.P50, l.P99 = quantile(pinged.Times, 0.5)/1e3, quantile(pinged.Times, 0.99)/1e3
	answers, err := all[called](b, task{Do: "call", Seconds: o.active.Seconds()})
	if err != nil {
		return l, err
	}
	for _, a := range answers {
		if a.Count > 0 {
			l.Calls += float64(a.Count) / a.Seconds
		}
	}
	worked, err := b.settled(before.Goroutines + n)
	l.Worked = per(before.RSS, worked.RSS)
	return l, err
}

// settled measures the head when it has nothing to do any more: when the number of its
// goroutines, which is at least so many, has stopped changing.
func (b *bench) settled(atLeast int) (usage, error) {
	last := -1
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		u, err := b.usage(true)
		if err != nil {
			return u, err
		}
		if u.Goroutines == last && last >= atLeast {
			return u, nil
		}
		if last = u.Goroutines; time.Now().After(deadline) {
			return u, fmt.Errorf("the head has %d goroutines, and does not come to rest", last)
		}
	}
}

// subscribe has many subscriptions of 10 events a second run at the same time.
func (o *options) subscribe(transport string, subscriptions, sessions int) (y busy, err error) {
	b, err := newBench(transport, sessions)
	if err != nil {
		return y, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	y = busy{Transport: transport, Subscriptions: subscriptions, Sessions: sessions}
	if _, _, err := b.open(sessions); err != nil {
		return y, err
	}
	before, err := b.settled(0)
	if err != nil {
		return y, err
	}
	answers, err := all[called](b, task{Do: "clock", Count: subscriptions, Across: sessions, Every: 100 * time.Millisecond, Seconds: 5})
	if err != nil {
		return y, err
	}
	after, err := b.usage(false)
	if err != nil {
		return y, err
	}
	var lags []int64
	for _, a := range answers {
		y.Missing += a.Missing
		y.PerSecond += float64(a.Count) / a.Seconds
		lags = append(lags, a.Times...)
		y.CPU = max(y.CPU, (after.CPU-before.CPU)/a.Seconds)
	}
	y.P50, y.P99 = quantile(lags, 0.5)/1e6, quantile(lags, 0.99)/1e6
	return y, nil
}

// quantile sorts values.
func quantile(values []int64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return float64(values[min(int(q*float64(len(values))), len(values)-1)])
}
