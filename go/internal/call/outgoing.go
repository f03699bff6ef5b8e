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

// Kind says whether a request wants one answer or many.
type Kind int

// The kinds of requests.
const (
	Single Kind = iota // ends with its first answer
	Stream             // a subscription
)

// Options of a request. The zero value means none.
type Options struct {
	// Deadline is when the caller stops waiting; the handler's node is told, and
	// both sides end the request with TIMEOUT. Zero means none.
	Deadline time.Time
	// IdleTimeout ends a subscription that sends nothing for so long while it may: at
	// least MinIdleTimeout.
	IdleTimeout time.Duration
	// Window is how many events of a subscription may be ahead of the reader; 0
	// means DefaultWindow.
	Window int
	// Metadata travels with the request, trace context for example.
	Metadata map[string]string
	// AuthToken makes this one request under another identity.
	AuthToken string
	// ParentRequestID is the request that this one serves. Requests that a handler
	// makes with Request.Start carry the id of its own.
	ParentRequestID string
	// ContinueRunning lets what a handler invoked go on when the handler's own request
	// has ended, its deadline included. It is for calls, not for subscriptions.
	ContinueRunning bool

	at        string // goes before the operation's name
	metadata  []byte // JSON text in place of Metadata
	forwarded []byte // JSON text of forwardedFor
	hops      int
}

// window returns how many events of a subscription may be ahead of the reader.
func (o *Options) window(kind Kind) int {
	switch {
	case kind != Stream:
		return 0
	case o.Window <= 0:
		return DefaultWindow
	}
	return min(o.Window, MaxWindow)
}

// checkIdle refuses an idle timeout that no node takes.
func (o *Options) checkIdle() *Error {
	if o.IdleTimeout > 0 && o.IdleTimeout < MinIdleTimeout {
		return Errorf(InvalidInput, "the idle timeout is %v: at least %v are taken", o.IdleTimeout, MinIdleTimeout)
	}
	return nil
}

// outgoing is a request of ours that waits for its end.
type outgoing struct {
	session *Session
	id      uint64
	kind    Kind
	sink    Sink
	relay   *forward // in place of sink
	timer   *time.Timer
	mu      sync.Mutex // serializes events with each other and with the end
	room    int        // events that the other side may still send; guarded by mu
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
// not be sent. The frame leaves with the next Flush. input is a JSON text.
func (s *Session) Start(kind Kind, operation string, input []byte, opts *Options, sink Sink) Outgoing {
	o := &outgoing{session: s, kind: kind, sink: sink}
	if err := opts.checkIdle(); err != nil {
		sink.Failed(err)
		return Outgoing{}
	}
	if wire.TooDeep(input) {
		sink.Failed(Errorf(InvalidInput, "the input of %s has more than the %d levels of JSON that a frame may have", operation, wire.MaxDepth))
		return Outgoing{}
	}
	size := len(input) + len(operation) + len(opts.metadata) + len(opts.forwarded)
	window := opts.window(kind)
	o.room = window
	if err := s.begin(o, opts.Deadline); err != nil {
		sink.Failed(err)
		return Outgoing{}
	}
	if _, fits := s.sendRequest(o, size, func(dst []byte) []byte { return appendRequest(dst, operation, input, window, opts) }); !fits {
		if s.take(o.id) != nil {
			o.stop()
			sink.Failed(Errorf(InvalidInput, "the request to %s, with its input of %d bytes, is larger than the frames that the other node takes", operation, len(input)))
		}
		return Outgoing{}
	}
	return Outgoing{o}
}

// begin enters a request that is about to be sent, or says why it cannot be.
func (s *Session) begin(o *outgoing, deadline time.Time) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cannotStart(); err != nil {
		return err
	}
	s.nextID++
	o.id = s.nextID
	s.outgoing[o.id] = o
	if !deadline.IsZero() {
		o.timer = time.AfterFunc(time.Until(deadline), o.expire)
	}
	return nil
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
		return Errorf(Unavailable, "the other node is shutting down")
	case s.queued.Load() > int64(s.cfg.Limits.MaxQueued):
		return Errorf(ResourceExhausted, "%d bytes wait for the other node to read them", s.queued.Load())
	}
	return nil
}

// Flush has the requests that were started sent. It does not block.
func (s *Session) Flush() { s.out.flushEagerly() }

// Abort implements control.
func (o *outgoing) Abort(reason string) {
	if o.session.take(o.id) == nil {
		return
	}
	o.session.tellAborted(o.id, reason)
	o.fail(Errorf(Aborted, "the request was aborted"))
}

// drop stops a request whose sink wants to know nothing more.
func (o *outgoing) drop(reason string) {
	if o.session.take(o.id) != nil {
		o.session.tellAborted(o.id, reason)
		o.stop()
	}
}

// Credit implements control.
func (o *outgoing) Credit(n int) {
	s := o.session
	s.mu.Lock()
	_, live := s.outgoing[o.id]
	s.mu.Unlock()
	if !live {
		return
	}
	o.mu.Lock()
	o.room = min(o.room+n, MaxWindow)
	o.mu.Unlock()
	s.out.addBuilt(wire.Credit, s.idText(o.id), func(dst []byte) []byte {
		return append(strconv.AppendInt(append(dst, `{"n":`...), int64(n), 10), '}')
	})
	s.out.kick()
}

func (o *outgoing) expire() {
	if o.session.take(o.id) == nil {
		return
	}
	o.session.tellAborted(o.id, reasonTimeout)
	o.fail(Errorf(Timeout, "the answer did not come before the deadline"))
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

func (s *Session) tellAborted(id uint64, reason string) {
	text := s.idText(id)
	s.mu.Lock()
	s.reaped.add(text)
	s.mu.Unlock()
	s.out.addBuilt(wire.Aborted, text, func(dst []byte) []byte {
		if reason == "" {
			return append(dst, "{}"...)
		}
		return append(wire.AppendText(append(dst, `{"reason":`...), reason), '}')
	})
	s.out.kick()
}

// take removes a request of ours; whoever gets it ends it.
func (s *Session) take(id uint64) *outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.outgoing[id]
	if o != nil {
		delete(s.outgoing, id)
	}
	return o
}

func (s *Session) takeText(id string) *outgoing {
	if n, ok := s.parseID(id); ok {
		if o := s.take(n); o != nil {
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
	if bad != nil && env.Type == wire.Responded && o.kind == Stream && s.take(id) != nil {
		o.stop()
		s.tellAborted(id, "a malformed event")
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
		if s.take(id) != nil {
			o.stop()
			s.tellAborted(id, "more events than credit")
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
		s.tellAborted(id, "one answer was asked for")
	}
}

func appendRequest(dst []byte, operation string, input []byte, window int, opts *Options) []byte {
	dst = append(dst, `{"operationId":`...)
	dst = wire.AppendText(dst, operation)
	dst = append(dst, `,"input":`...)
	if len(input) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, input...)
	}
	if !opts.Deadline.IsZero() {
		dst = appendTimeout(dst, opts.Deadline)
	}
	if opts.IdleTimeout > 0 {
		dst = strconv.AppendInt(append(dst, `,"idleTimeout":`...), opts.IdleTimeout.Milliseconds(), 10)
	}
	if window > 0 {
		dst = strconv.AppendInt(append(dst, `,"window":`...), int64(window), 10)
	}
	if opts.ParentRequestID != "" {
		dst = wire.AppendText(append(dst, `,"parentRequestId":`...), opts.ParentRequestID)
	}
	if opts.AuthToken != "" {
		dst = wire.AppendText(append(dst, `,"authToken":`...), opts.AuthToken)
	}
	if opts.metadata != nil {
		dst = append(append(dst, `,"metadata":`...), opts.metadata...)
	} else if len(opts.Metadata) > 0 {
		dst = appendTextMap(append(dst, `,"metadata":`...), opts.Metadata)
	}
	if opts.forwarded != nil {
		dst = append(append(dst, `,"forwardedFor":`...), opts.forwarded...)
		dst = strconv.AppendInt(append(dst, `,"hops":`...), int64(opts.hops), 10)
	}
	return append(dst, '}')
}

func appendTextMap(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	first := true
	for k, v := range m {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = wire.AppendText(dst, k)
		dst = append(dst, ':')
		dst = wire.AppendText(dst, v)
	}
	return append(dst, '}')
}
