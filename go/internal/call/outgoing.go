package call

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Sink takes the answers to one request. Its methods are called one at a time, on
// goroutines of the session: they must not block, and must copy a payload that
// they keep. Exactly one of Responded (of a call), Completed and Failed is the last
// call but for an Event that was on its way at that moment, which is to be ignored.
type Sink interface {
	// Responded takes the answer to a call, {"output":…}.
	Responded(payload []byte)
	// Event takes one event of a subscription, {"output":…}.
	Event(payload []byte)
	// Completed ends a subscription well.
	Completed()
	// Failed ends the request with an error of either side.
	Failed(err *Error)
}

// outgoing is a request of ours that waits for its end.
type outgoing struct {
	session *Session
	id      uint64
	kind    Kind
	sink    Sink
	relay   *forward // in place of sink
	caller  *caller  // whose request it is
	wait    *waiting // of one that has to wait; guarded by session.mu
	timer   *time.Timer
	size    int32      // bytes that it counts against the peer's maxQueued: no more than a frame
	grant   int32      // credit to give with the next batch; guarded by session.out.mu
	room    int32      // events that the other side may still send; guarded by mu
	mu      sync.Mutex // serializes events with each other and with the end
}

// Outgoing is a request under way, for its caller. The zero value is one that has
// ended.
type Outgoing struct{ control control }

// control is what the caller of a request may do with it, wherever it went.
type control interface {
	Abort(reason string)
	Credit(n int)
}

// OutgoingOf is a request that a Service has under way. control need not know whether
// the request has ended; Abort is called with a reason, Credit with n > 0.
func OutgoingOf(control interface {
	Abort(reason string)
	Credit(n int)
}) Outgoing {
	return Outgoing{control}
}

// Abort stops a request: its sink gets ABORTED, the other side is told. It does
// nothing when the request has ended.
func (r Outgoing) Abort(reason string) {
	if r.control != nil {
		r.control.Abort(reason)
	}
}

// Credit lets the other side send n more events.
func (r Outgoing) Credit(n int) {
	if r.control != nil && n > 0 {
		r.control.Credit(n)
	}
}

// Start sends a request; the answers go to sink, also those that tell why it could
// not be sent. The frame leaves with the next Flush, or when the peer has room for it:
// until then it waits. input is a JSON text.
func (s *Session) Start(kind Kind, operation string, input []byte, opts *Options, sink Sink) Outgoing {
	o := &outgoing{session: s, kind: kind, sink: sink, caller: &s.turns.own}
	if err := opts.checkIdle(); err != nil {
		sink.Failed(unsent(err))
		return Outgoing{}
	}
	if wire.TooDeep(input) {
		sink.Failed(unsent(Errorf(InvalidInput, "the input of %s has more than the %d levels of JSON that a frame may have", operation, wire.MaxDepth)))
		return Outgoing{}
	}
	if opts.metadata == nil && len(opts.Metadata) > 0 {
		opts.metadata = appendTextMap(nil, opts.Metadata)
	}
	o.size = sizeOf(input, opts.metadata, opts.forwarded)
	window := opts.window(kind)
	o.room = int32(window)
	now, err := s.begin(o, opts.Deadline)
	fits := true
	switch {
	case err != nil:
	case now:
		_, fits = s.sendRequest(o, len(input)+len(operation)+len(opts.metadata)+len(opts.forwarded), func(dst []byte) []byte {
			return closeRequest(appendRequest(dst, operation, input, window, opts), opts.Deadline)
		})
		if !fits && !s.take(o) {
			return Outgoing{}
		}
	default:
		err, fits = s.wait(o, opts.Deadline, func(dst []byte) []byte { return appendRequest(dst, operation, input, window, opts) })
		s.pump(nil) // there may be room meanwhile
	}
	if !fits {
		err = Errorf(InvalidInput, "the request to %s, with its input of %d bytes, is larger than the frames that the other node takes", operation, len(input))
	}
	if err != nil {
		o.stop()
		sink.Failed(unsent(err))
		return Outgoing{}
	}
	return Outgoing{o}
}

// counted is what a request counts against maxQueued while it is in flight: its members
// that may be large, as they stand in the frame.
func counted(input, metadata, forwarded []byte) int {
	return max(len(input), len("null")) + len(metadata) + len(forwarded)
}

// sizeOf is counted for a request of ours; what is larger than any frame is never sent.
func sizeOf(input, metadata, forwarded []byte) int32 {
	return int32(min(counted(input, metadata, forwarded), wire.MaxMaxFrame))
}

// begin enters a request that is about to be sent, and then now is true; or takes its
// place among those that wait; or says why it can be neither.
func (s *Session) begin(o *outgoing, deadline time.Time) (now bool, err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.place(o, deadline)
}

// beginForward is begin for a request of another caller. Its own clock runs.
func (s *Session) beginForward(o *outgoing, key callerKey) (now bool, err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.caller = s.turns.callerOf(key)
	if now, err = s.place(o, time.Time{}); err != nil {
		s.turns.forget(o.caller)
	}
	return now, err
}

// place is begin with s.mu held.
func (s *Session) place(o *outgoing, deadline time.Time) (now bool, err *Error) {
	if err := s.cannotStart(); err != nil {
		return false, err
	}
	now = s.turns.waiting == 0 && !s.turns.sending && s.room(o) == fits
	if !now {
		return false, s.mayWait(o)
	}
	s.enter(o)
	o.expireAt(deadline)
	return true, nil
}

// sendRequest queues the frame of a request and returns the output that is to be
// flushed: nil where the request has a stream of its own. fits is false when the
// frame is larger than the other side takes.
func (s *Session) sendRequest(o *outgoing, size int, build func(dst []byte) []byte) (out *output, fits bool) {
	id := s.idText(o.id)
	if size >= ownStreamSize {
		if out, _ := s.openOutput(); out != nil {
			fits = out.addBuilt(wire.Requested, id, build)
			out.end()
			return nil, fits
		}
	}
	return s.out, s.out.addBuilt(wire.Requested, id, build)
}

// cannotStart says why no request may be sent. Called with s.mu held.
func (s *Session) cannotStart() *Error {
	switch {
	case s.err != nil && s.err.Code == Unavailable:
		return s.err
	case s.err != nil:
		return Errorf(Unavailable, "the session has ended: %s", s.err.Message)
	case s.closing:
		return errClosing
	}
	return nil
}

// errClosing is why nothing is sent on a session that one side is about to end.
var errClosing = Errorf(Unavailable, "the session is shutting down")

// Flush has the requests that were started sent. It does not block.
func (s *Session) Flush() { s.out.flushEagerly() }

// Abort implements control.
func (o *outgoing) Abort(reason string) {
	if live, sent := o.withdraw(reason); live {
		err := Errorf(Aborted, "the request was aborted")
		if !sent {
			err = unsent(err)
		}
		o.fail(err)
	}
}

// drop stops a request whose sink wants to know nothing more.
func (o *outgoing) drop(reason string) {
	if live, _ := o.withdraw(reason); live {
		o.stop()
	}
}

// withdraw takes a request back, and tells the other side if it was sent. live is false
// when it has ended.
func (o *outgoing) withdraw(reason string) (live, sent bool) {
	s := o.session
	s.mu.Lock()
	w := o.wait
	if w != nil && !w.sent {
		s.pull(o)
		w.payload = nil
		s.mu.Unlock()
		s.pump(nil) // it may have been the one that did not fit
		return true, false
	}
	live = o.id != 0 && s.outgoing[o.id] == o
	if live {
		delete(s.outgoing, o.id) // it counts until the other side is told: see output.told
	}
	s.mu.Unlock()
	if live {
		if w != nil {
			w.awaitFrame()
		}
		s.tellAborted(o.id, reason, o)
	}
	return live, true
}

// Credit implements control. What is given until the next batch leaves is one frame.
func (o *outgoing) Credit(n int) {
	s := o.session
	s.mu.Lock()
	live := o.id != 0 && s.outgoing[o.id] == o
	w := o.wait
	if w != nil && !w.sent {
		w.credit = min(w.credit+n, MaxWindow) // it follows the request
	}
	s.mu.Unlock()
	if live {
		if w != nil {
			w.awaitFrame()
		}
		o.credit(n)
		s.out.kick()
	}
}

// credit grants n more events with the next batch.
func (o *outgoing) credit(n int) {
	o.mu.Lock()
	o.room = int32(min(int(o.room)+n, MaxWindow))
	o.mu.Unlock()
	o.session.out.addCredit(o, n)
}

// expireAt starts the request's clock. Called with session.mu held.
func (o *outgoing) expireAt(deadline time.Time) {
	if !deadline.IsZero() && o.relay == nil {
		o.timer = time.AfterFunc(time.Until(deadline), o.expire)
	}
}

func (o *outgoing) expire() {
	live, sent := o.withdraw(reasonTimeout)
	if !live {
		return
	}
	err := Errorf(Timeout, "the answer did not come before the deadline")
	if !sent {
		err = unsent(Errorf(Timeout, "the request waited for the peer until its deadline and was not sent"))
	}
	o.fail(err)
	if f := o.session.cfg.AfterBatch; f != nil {
		f()
	}
}

func (o *outgoing) fail(err *Error) {
	o.stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed(err)
}

// failed tells whoever waits that the request has ended without an answer.
func (o *outgoing) failed(err *Error) {
	if o.relay != nil {
		o.relay.Failed(err)
		return
	}
	o.sink.Failed(err)
}

func (o *outgoing) stop() {
	if o.timer != nil {
		o.timer.Stop()
	}
}

// tellAborted stops a request of ours at the other side. o is the request if it still
// counts: it does until the frame is written, so that what waits to be written does not
// grow with requests that are sent and stopped in turn.
func (s *Session) tellAborted(id uint64, reason string, o *outgoing) {
	text := s.idText(id)
	s.mu.Lock()
	s.reaped.add(text)
	s.mu.Unlock()
	s.out.addAborted(text, reason, o)
	s.out.kick()
}

// left ends the counting of requests whose abort was written.
func (s *Session) left(all []*outgoing) {
	s.mu.Lock()
	for _, o := range all {
		s.leave(o)
	}
	s.mu.Unlock()
	s.pump(nil)
}

// take removes a request of ours that was sent; who gets true ends it.
func (s *Session) take(o *outgoing) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outgoing[o.id] != o {
		return false
	}
	delete(s.outgoing, o.id)
	s.leave(o)
	return true
}

func (s *Session) takeText(id string) *outgoing {
	if n, ok := s.parseID(id); ok {
		s.mu.Lock()
		o := s.outgoing[n]
		s.mu.Unlock()
		if o != nil && s.take(o) {
			o.stop()
			return o
		}
	}
	return nil
}

// acceptedPrefix begins the ids of the accepting side. call.aborted does not say
// whose id it names: with ids from different sets it cannot stop the wrong request.
const acceptedPrefix = "a"

func (s *Session) idText(id uint64) string {
	if s.accepted {
		return acceptedPrefix + strconv.FormatUint(id, 10)
	}
	return strconv.FormatUint(id, 10)
}

// parseID reads an id that we gave out: decimal, without leading zeros.
func (s *Session) parseID(text string) (uint64, bool) {
	if s.accepted {
		var ours bool
		if text, ours = strings.CutPrefix(text, acceptedPrefix); !ours {
			return 0, false
		}
	}
	if text == "" || text[0] == '0' || len(text) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// answered gives an event of the other side to the request that it belongs to.
func (s *Session) answered(env wire.Envelope, b *batch) {
	id, ok := s.parseID(env.ID)
	if !ok {
		s.stats.dropped.Add(1)
		return
	}
	s.mu.Lock()
	o := s.outgoing[id]
	if o != nil && !(env.Type == wire.Responded && o.kind == Stream) {
		delete(s.outgoing, id)
		s.leave(o)
	}
	issued := id <= s.nextID
	s.mu.Unlock()
	if o == nil {
		s.stats.dropped.Add(1)
		if issued && env.Type == wire.Responded {
			s.reap(id, env.ID)
		}
		return
	}
	if env.Type != wire.Responded || o.kind == Single {
		o.stop()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	bad := checkShape(env)
	if bad != nil && env.Type == wire.Responded && o.kind == Stream && s.take(o) {
		o.stop()
		s.tellAborted(id, "a malformed event", nil)
	}
	switch {
	case bad != nil && o.relay != nil:
		o.relay.fail(bad, b)
	case bad != nil:
		o.sink.Failed(bad)
	case o.relay != nil:
		o.relay.answered(env, b)
	case env.Type == wire.Failed:
		o.sink.Failed(parseError(env.Payload))
	case env.Type == wire.Responded && o.kind == Stream && o.room == 0:
		// What ignores its credit costs us no memory.
		if s.take(o) {
			o.stop()
			s.tellAborted(id, "more events than credit", nil)
			o.sink.Failed(Errorf(ProtocolError, "the other node sent more events than it had credit for"))
		}
	case env.Type == wire.Responded && o.kind == Stream:
		o.room--
		o.sink.Event(env.Payload)
	case env.Type == wire.Responded:
		o.sink.Responded(env.Payload)
	case o.kind == Stream:
		o.sink.Completed()
	default:
		o.sink.Failed(errNoAnswer())
	}
}

// reap stops an answer stream that nobody waits for any more: a subscription that
// was called instead of subscribed to has answered, and goes on. Told once an id.
func (s *Session) reap(id uint64, text string) {
	s.mu.Lock()
	known := s.reaped.has(text)
	s.mu.Unlock()
	if !known {
		s.tellAborted(id, "one answer was asked for", nil)
	}
}
