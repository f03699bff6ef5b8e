package call

import (
	"sync"
	"sync/atomic"
	"time"
)

// minShare is how many requests a caller may always have in flight on a session that it
// shares, as long as there is room at all. A caller that has more leaves as many free
// for callers that have none yet.
const minShare = 32

// patience is how long the first of the requests that wait may wait before the log says
// so; it says it again after twice that time.
const patience = 30 * time.Second

// turns are the requests of a session to its peer: how many are in flight, and those
// that wait for room. Each caller has a queue of its own and a share of the room. The
// node itself is one caller; those whose requests it forwards are the others. All of it
// is guarded by the session's mu, but for some.
type turns struct {
	maxFlight int // the peer's limits
	maxBytes  int
	flight    int // requests that were sent and have not ended
	bytes     int // of their inputs
	own       caller
	callers   map[callerKey]*caller // whose requests are forwarded; nil until there are some
	ring      *caller               // whose turn is next, of those with requests that wait
	waiting   int
	ownBytes  int         // of the inputs of the node's own that wait
	some      atomic.Bool // waiting > 0: read without the lock
	sending   bool        // a goroutine sends what waits
	patience  time.Duration
	late      *time.Timer // says in the log that the first one waits; nil when none does

}

// callerKey names a caller: an identity, or an anonymous session.
type callerKey struct {
	identity  string
	anonymous uint64
}

// caller is one of those who share the session.
type caller struct {
	key         callerKey
	flight      int // its requests that were sent and have not ended
	bytes       int // of their inputs
	waiting     int
	first, last *outgoing // that wait
	next, prev  *caller   // in the ring
}

// waiting is what a request needs while it waits.
type waiting struct {
	payload    []byte // of its frame, without the timeout and the last brace
	deadline   time.Time
	since      time.Time
	credit     int        // given meanwhile
	sent       bool       // it waits no more: sent, or taken back
	frame      sync.Mutex // held while its frame is queued
	next, prev *outgoing
}

// awaitFrame waits until the request's frame is queued, so that what follows it comes
// after it: see pump.
func (w *waiting) awaitFrame() {
	w.frame.Lock()
	defer w.frame.Unlock()
}

// room says whether a request fits.
type room int

const (
	fits      room = iota
	shareFull      // its caller has its share: others may go first
	full           // nothing may go before it
)

// maxCallers is how many callers without a request are remembered.
const maxCallers = 256

// callerOf returns the caller of a forwarded request. Called with s.mu held.
func (t *turns) callerOf(key callerKey) *caller {
	c := t.callers[key]
	if c == nil {
		if t.callers == nil {
			t.callers = map[callerKey]*caller{}
		}
		c = &caller{key: key}
		t.callers[key] = c
	}
	return c
}

// forget drops a caller that has no request any more, when there are many.
func (t *turns) forget(c *caller) {
	if c != &t.own && c.flight == 0 && c.waiting == 0 && len(t.callers) > maxCallers {
		delete(t.callers, c.key)
	}
}

// room reports whether o may be sent now: by the limits of the peer, by what waits to be
// written here, and by its caller's share. Called with s.mu held.
func (s *Session) room(o *outgoing) room {
	t := &s.turns
	free := t.maxFlight - t.flight
	switch {
	case free <= 0,
		t.bytes > 0 && t.bytes+int(o.size) > t.maxBytes,
		s.queued.Load() > int64(s.cfg.Limits.MaxQueued):
		return full
	case o.caller == &t.own:
		return fits
	}
	c := o.caller
	if c.flight >= minShare {
		others := t.waiting > c.waiting
		if free <= minShare || c.flight >= 3*free || others && c.flight >= t.maxFlight/2 {
			return shareFull
		}
	}
	if c.bytes > 0 && c.bytes+int(o.size) > 3*(t.maxBytes-t.bytes-int(o.size)) {
		return shareFull
	}
	return fits
}

// enter counts a request that is about to be sent and gives it its id. Called with s.mu
// held.
func (s *Session) enter(o *outgoing) {
	s.nextID++
	o.id = s.nextID
	s.outgoing[o.id] = o
	t := &s.turns
	t.flight++
	t.bytes += int(o.size)
	if c := o.caller; c != &t.own { // the node itself has no share
		c.flight++
		c.bytes += int(o.size)
	}
}

// leave ends the counting of a request that was sent. Called with s.mu held.
func (s *Session) leave(o *outgoing) {
	t := &s.turns
	t.flight--
	t.bytes -= int(o.size)
	if c := o.caller; c != &t.own {
		c.flight--
		c.bytes -= int(o.size)
		t.forget(c)
	}
}

// mayWait takes the place of a request among those that wait, or says why there is none.
// Called with s.mu held.
func (s *Session) mayWait(o *outgoing) *Error {
	t, limits := &s.turns, &s.cfg.Limits
	switch {
	case limits.MaxWaiting < 0:
		return Errorf(ResourceExhausted, "%d requests to the peer are unanswered, with inputs of %d bytes, and none may wait (limits.maxWaiting)", t.flight, t.bytes)
	case t.waiting >= limits.MaxWaiting:
		return Errorf(ResourceExhausted, "%d requests wait for the peer (limits.maxWaiting)", t.waiting)
	case o.relay == nil && t.ownBytes > 0 && t.ownBytes+int(o.size) > limits.MaxQueued:
		return Errorf(ResourceExhausted, "inputs of %d bytes wait for the peer (limits.maxQueued)", t.ownBytes)
	}
	s.countWaiting(o, 1)
	return nil
}

// countWaiting counts a request that begins or ends to wait. Called with s.mu held.
func (s *Session) countWaiting(o *outgoing, n int) {
	t := &s.turns
	t.waiting += n
	o.caller.waiting += n
	if o.relay == nil { // the inputs of forwarded ones count where they came from
		t.ownBytes += n * int(o.size)
	}
	t.some.Store(t.waiting > 0)
	if w := s.cfg.Waiting; w != nil {
		w.Add(int64(n))
	}
}

// push puts a request behind the others of its caller. Called with s.mu held.
func (s *Session) push(o *outgoing, w *waiting) {
	t, c := &s.turns, o.caller
	w.since = time.Now()
	o.wait = w
	if c.last != nil {
		w.prev, c.last.wait.next = c.last, o
		c.last = o
		return
	}
	c.first, c.last = o, o
	if t.ring == nil {
		t.ring, c.next, c.prev = c, c, c
		if t.late == nil {
			t.late = time.AfterFunc(t.patience, s.warnWaiting)
		}
		return
	}
	c.next, c.prev = t.ring, t.ring.prev
	c.prev.next, c.next.prev = c, c
}

// pull takes a request out of its queue, wherever it stands. Called with s.mu held.
func (s *Session) pull(o *outgoing) *waiting {
	t, c, w := &s.turns, o.caller, o.wait
	w.sent = true
	if w.prev == nil {
		c.first = w.next
	} else {
		w.prev.wait.next = w.next
	}
	if w.next == nil {
		c.last = w.prev
	} else {
		w.next.wait.prev = w.prev
	}
	if c.first == nil {
		if t.ring == c {
			t.ring = c.next
		}
		if c.next == c {
			t.ring = nil
		}
		c.prev.next, c.next.prev = c.next, c.prev
		c.next, c.prev = nil, nil
	}
	w.next, w.prev = nil, nil
	if t.ring == nil && t.late != nil {
		t.late.Stop()
		t.late = nil
	}
	s.countWaiting(o, -1)
	return w
}

// nextTurn returns the request that is sent next, or nil when none fits. Callers take
// turns. Called with s.mu held.
func (s *Session) nextTurn() *outgoing {
	t := &s.turns
	for c := t.ring; c != nil; {
		switch s.room(c.first) {
		case fits:
			t.ring = c.next
			return c.first
		case full:
			return nil
		}
		if c = c.next; c == t.ring {
			return nil
		}
	}
	return nil
}

// pump sends what waits and fits now. The frames leave with b, or by another goroutine
// where b is nil. It does not block.
func (s *Session) pump(b *batch) {
	t := &s.turns
	if !t.some.Load() {
		return
	}
	s.mu.Lock()
	if t.sending || s.err != nil {
		s.mu.Unlock() // the other one sees what this one would have seen
		return
	}
	sent := false
	t.sending = true
	for o := s.nextTurn(); o != nil; o = s.nextTurn() {
		w := s.pull(o)
		s.enter(o)
		w.frame.Lock() // what stops it waits until its frame is queued: see tellAborted
		s.mu.Unlock()
		out := s.sendWaited(o, w)
		w.payload = nil
		w.frame.Unlock()
		if w.credit > 0 {
			o.credit(w.credit)
		}
		sent = sent || out != nil
		s.mu.Lock()
	}
	t.sending = false
	s.mu.Unlock()
	switch {
	case !sent:
	case b != nil:
		b.touch(s.out)
	default:
		s.out.kick()
	}
}

// sendWaited queues the frame of a request that has waited. Called with w.frame held.
func (s *Session) sendWaited(o *outgoing, w *waiting) *output {
	out, _ := s.sendRequest(o, len(w.payload), func(dst []byte) []byte {
		return closeRequest(append(dst, w.payload...), w.deadline)
	})
	if o.relay != nil {
		o.relay.sent()
	}
	return out
}

// largestTimeout is what the timeout of a request adds to its frame at most, in bytes,
// with the last brace.
const largestTimeout = len(`,"timeout":9223372036854}`)

// wait has a request wait whose place mayWait has taken. build appends the payload
// without its last brace. The caller sees to pump: there may be room meanwhile.
func (s *Session) wait(o *outgoing, deadline time.Time, build func(dst []byte) []byte) (err *Error, fits bool) {
	w := &waiting{payload: build(make([]byte, 0, int(o.size)+256)), deadline: deadline}
	s.mu.Lock()
	err, fits = s.cannotStart(), !s.oversized(len(w.payload)+largestTimeout)
	if err != nil || !fits {
		s.countWaiting(o, -1)
		s.mu.Unlock()
		return err, fits
	}
	s.push(o, w)
	o.expireAt(deadline)
	s.mu.Unlock()
	return nil, true
}

// drainWaiting takes all that waits out of the queues. Called with s.mu held.
func (s *Session) drainWaiting() []*outgoing {
	all := make([]*outgoing, 0, s.turns.waiting)
	for s.turns.ring != nil {
		o := s.turns.ring.first
		s.pull(o).payload = nil
		all = append(all, o)
	}
	return all
}

// rejectWaiting fails what waits, because nothing is sent any more.
func (s *Session) rejectWaiting(err *Error) {
	if !s.turns.some.Load() {
		return
	}
	s.mu.Lock()
	all := s.drainWaiting()
	s.mu.Unlock()
	for _, o := range all {
		o.fail(unsent(err))
	}
}

// warnWaiting says in the log that requests wait for long.
func (s *Session) warnWaiting() {
	s.mu.Lock()
	t := &s.turns
	if t.ring == nil || t.late == nil {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	oldest := now
	for c := t.ring; ; {
		if since := c.first.wait.since; since.Before(oldest) {
			oldest = since
		}
		if c = c.next; c == t.ring {
			break
		}
	}
	waits, n, flight := now.Sub(oldest), t.waiting, t.flight
	due := waits >= t.patience
	if due {
		t.late.Reset(2 * t.patience)
	} else {
		t.late.Reset(t.patience - waits)
	}
	s.mu.Unlock()
	if due {
		s.cfg.Logger.Warn("requests wait for the peer", "waiting", n, "longest", waits.Round(time.Second).String(), "inFlight", flight)
	}
}
