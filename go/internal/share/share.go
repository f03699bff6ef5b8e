// Package share divides a fixed number of places among callers, so that none takes all.
package share

import (
	"container/list"
	"context"
	"sync"
)

// Places are a fixed number of places. A caller without one may take any that is free; a
// caller with some leaves one free at least, and has at most three times as many as are
// free. It is safe for concurrent use.
type Places struct {
	mu      sync.Mutex
	free    int
	size    int
	held    map[string]int // by caller; those with none are not there
	waiting list.List      // of *waiter
}

type waiter struct {
	caller string
	taken  chan struct{} // closed once it has its place
}

// New makes n places.
func New(n int) *Places { return &Places{free: n, size: n, held: map[string]int{}} }

// Size returns how many places there are.
func (p *Places) Size() int { return p.size }

// may reports whether caller may take a place now. Called with p.mu held.
func (p *Places) may(caller string) bool {
	has := p.held[caller]
	return has == 0 && p.free > 0 || p.free > 1 && has < 3*p.free
}

// take takes a place. Called with p.mu held.
func (p *Places) take(caller string) {
	p.free--
	p.held[caller]++
}

// TryTake takes a place for caller, unless that has its share or none is free.
func (p *Places) TryTake(caller string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.may(caller) {
		return false
	}
	p.take(caller)
	return true
}

// Take waits until caller may take a place, or ctx ends. Those who wait come in order,
// but for callers that have their share.
func (p *Places) Take(ctx context.Context, caller string) error {
	p.mu.Lock()
	if p.may(caller) {
		p.take(caller)
		p.mu.Unlock()
		return nil
	}
	w := &waiter{caller, make(chan struct{})}
	at := p.waiting.PushBack(w)
	p.mu.Unlock()
	select {
	case <-w.taken:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	select {
	case <-w.taken: // meanwhile
		p.give(caller)
	default:
		p.waiting.Remove(at)
	}
	p.mu.Unlock()
	return context.Cause(ctx)
}

// Give gives a place of caller back.
func (p *Places) Give(caller string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.give(caller)
}

// give is Give with p.mu held.
func (p *Places) give(caller string) {
	p.free++
	if p.held[caller]--; p.held[caller] == 0 {
		delete(p.held, caller)
	}
	for at := p.waiting.Front(); at != nil && p.free > 0; {
		next := at.Next()
		if w := at.Value.(*waiter); p.may(w.caller) {
			p.waiting.Remove(at)
			p.take(w.caller)
			close(w.taken)
		}
		at = next
	}
}
