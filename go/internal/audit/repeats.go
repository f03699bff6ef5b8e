package audit

import (
	"sync"
	"time"
)

// maxRepeats is how many different events are counted at once; when there are more all
// are written early.
const maxRepeats = 1024

// repeats counts equal events and records them once a second.
type repeats struct {
	record func(Event)

	mu      sync.Mutex
	waiting map[repeated]*Event
	order   []repeated
	timer   *time.Timer // runs while something waits
}

// repeated is what equal events have in common.
type repeated struct{ event, identity, address, operation, code, method, reason string }

func (r *repeats) add(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	key := repeated{e.Event, e.Identity, e.Address, e.Operation, e.Code, e.Method, e.Reason}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.waiting[key]; known != nil {
		known.Count++
		return
	}
	if len(r.waiting) >= maxRepeats {
		r.write()
	}
	if r.waiting == nil {
		r.waiting = map[repeated]*Event{}
		r.timer = time.AfterFunc(time.Second, r.flush)
	}
	e.Count = 1
	r.waiting[key] = &e
	r.order = append(r.order, key)
}

// flush records what waits.
func (r *repeats) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write()
}

// write records what waits. Called with r.mu held.
func (r *repeats) write() {
	if r.waiting == nil {
		return
	}
	for _, key := range r.order {
		r.record(*r.waiting[key])
	}
	r.timer.Stop()
	r.waiting, r.order, r.timer = nil, nil, nil
}
