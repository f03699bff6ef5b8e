package call

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/wire"
)

// ErrEnded is returned for what comes after the end of a request: it was dropped
// and counted.
var ErrEnded = errors.New("the request has ended")

// ErrNoCredit is returned by TrySend while the caller has no room.
var ErrNoCredit = errors.New("the caller has no room for another event")

// Request is one request of the other side, for the handler that answers it. Its
// methods are safe for concurrent use. Exactly one of Respond (of a query or a
// mutation), Complete and Fail ends it; the caller's abort, its deadline and the
// end of the session do so too.
type Request struct {
	session  *Session
	op       *operation
	id       string
	params   params
	identity *auth.Identity

	mu       sync.Mutex
	ended    bool
	credit   int
	more     sync.Cond // signalled when credit grows or the request ends
	cause    error
	ctx      context.Context
	cancel   context.CancelCauseFunc
	onCancel func(*Error)
	onCredit func(n int)
	deadline *time.Timer
	idle     *time.Timer
	own      *output // the request's own stream, if it has one
	stream   SendStream
	batch    uint64 // see unwindowed
	inBatch  int
	inLast   int
}

// Operation returns the operation's name.
func (r *Request) Operation() string { return r.op.spec.Name }

// Type returns the operation's type.
func (r *Request) Type() string { return r.op.spec.Type }

// ID returns the caller's id of the request, for logs.
func (r *Request) ID() string { return r.id }

// Input returns the input's JSON text. It is the handler's to keep, not to change.
func (r *Request) Input() json.RawMessage { return r.params.input }

// Identity returns who is calling; nil is an anonymous caller.
func (r *Request) Identity() *auth.Identity { return r.identity }

// Session returns the session that the request came on, for calling back.
func (r *Request) Session() *Session { return r.session }

// Metadata returns what the caller sent along; it may be nil.
func (r *Request) Metadata() map[string]string { return r.params.metadata }

// ParentRequestID returns the id of the request that this one serves, or "".
func (r *Request) ParentRequestID() string { return r.params.parent }

// Deadline returns when the caller stops waiting, if it said so.
func (r *Request) Deadline() (time.Time, bool) {
	return r.params.deadline, !r.params.deadline.IsZero()
}

// Window returns how many events may be sent before more credit comes; ok is false
// when the caller sent no window.
func (r *Request) Window() (n int, ok bool) { return r.params.window, r.params.windowed }

// Context ends with the request; context.Cause says why, as an *Error or ErrEnded.
func (r *Request) Context() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithCancelCause(context.Background())
		if t := r.params.deadline; !t.IsZero() {
			r.ctx = deadlineContext{r.ctx, t}
		}
		if r.ended {
			r.cancel(r.cause)
		}
	}
	return r.ctx
}

// deadlineContext shows the deadline that the request's own timer enforces.
type deadlineContext struct {
	context.Context
	at time.Time
}

func (c deadlineContext) Deadline() (time.Time, bool) { return c.at, true }

// OnCancel has f called once, on any goroutine, when the request ends before the
// handler ended it; at once when it has ended already. f must not block.
func (r *Request) OnCancel(f func(*Error)) {
	r.mu.Lock()
	r.onCancel = f
	var cause *Error
	if r.ended {
		cause, _ = r.cause.(*Error)
	}
	r.mu.Unlock()
	if cause != nil {
		f(cause)
	}
}

// OnCredit has f called with each further grant of credit, and returns the room
// that there is now; ok is false when the caller sent no window. It is for handlers
// that use TrySend; f must not block.
func (r *Request) OnCredit(f func(n int)) (room int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onCredit = f
	return r.credit, r.params.windowed
}

// Respond ends a query or a mutation with its output, a JSON text.
func (r *Request) Respond(output json.RawMessage) error {
	if r.op.spec.Type == TypeSubscription {
		if err := r.Send(output); err != nil {
			return err
		}
		return r.Complete()
	}
	if err := r.checkOutput(output); err != nil {
		r.Fail(err)
		return err
	}
	if r.session.oversized(len(output)) {
		err := Errorf(ResourceExhausted, "the output of %s has %d bytes, more than the other node takes in one frame", r.Operation(), len(output))
		err.Retryable = false
		r.Fail(err)
		return err
	}
	return r.end(nil, func() {
		out := r.output(len(output))
		out.addBuilt(wire.Responded, r.id, func(dst []byte) []byte { return appendOutput(dst, output) })
		if r.params.windowed {
			out.add(wire.Completed, r.id, emptyObject) // the caller subscribed to a call: tell it that no more comes
		}
	})
}

// Send sends one event of a subscription. It blocks while the caller has no room,
// and returns ErrEnded, or the *Error that ended the request, once it is over.
func (r *Request) Send(event json.RawMessage) error {
	return r.send(event, true)
}

// TrySend is Send for handlers that must not block: it returns ErrNoCredit instead.
func (r *Request) TrySend(event json.RawMessage) error {
	return r.send(event, false)
}

func (r *Request) send(event json.RawMessage, wait bool) error {
	if err := r.checkOutput(event); err != nil {
		r.Fail(err)
		return err
	}
	if r.session.oversized(len(event)) {
		err := Errorf(ResourceExhausted, "an event of %s has %d bytes, more than the other node takes in one frame", r.Operation(), len(event))
		err.Retryable = false
		r.Fail(err)
		return err
	}
	r.mu.Lock()
	for !r.ended && r.params.windowed && r.credit == 0 {
		if !wait {
			r.mu.Unlock()
			return ErrNoCredit
		}
		r.more.Wait()
	}
	if r.ended {
		cause := r.cause
		r.mu.Unlock()
		r.session.stats.dropped.Add(1)
		if cause == nil {
			cause = ErrEnded
		}
		return cause
	}
	if !r.params.windowed && !r.unwindowed() {
		r.mu.Unlock()
		err := Errorf(ResourceExhausted, "the caller of %s gave no window and reads too slowly: %d events wait", r.Operation(), unwindowedEvents)
		r.Fail(err)
		return err
	}
	r.credit--
	out := r.output(len(event))
	out.addBuilt(wire.Responded, r.id, func(dst []byte) []byte { return appendOutput(dst, event) })
	if r.idle != nil {
		r.idle.Reset(r.params.idleTimeout)
	}
	r.mu.Unlock()
	out.kick()
	return nil
}

// unwindowed counts an event for a caller without a window and reports whether it
// may still wait to be written. Called with r.mu held.
func (r *Request) unwindowed() bool {
	batch, writing := r.output(0).current()
	switch batch {
	case r.batch:
	case r.batch + 1:
		r.inLast, r.inBatch = r.inBatch, 0
	default:
		r.inLast, r.inBatch = 0, 0
	}
	r.batch = batch
	waiting := r.inBatch
	if writing {
		waiting += r.inLast
	}
	r.inBatch++
	return waiting < unwindowedEvents
}

// Complete ends a subscription well.
func (r *Request) Complete() error {
	return r.end(nil, func() { r.output(0).add(wire.Completed, r.id, emptyObject) })
}

// Fail ends the request with an error. What is not an *Error is logged and reaches
// the caller as INTERNAL without its text.
func (r *Request) Fail(err error) {
	e := public(err)
	if e.Code == Internal && error(e) != err {
		r.session.cfg.Logger.Error("handler failed", "operation", r.Operation(), "error", err)
	}
	_ = r.end(nil, func() { r.output(0).addBuilt(wire.Failed, r.id, e.AppendJSON) })
}

// end is finish on behalf of the handler: one that has a goroutine of its own
// writes the answer itself.
func (r *Request) end(cause *Error, answer func()) error {
	return r.finish(cause, answer, !r.op.handler.immediate())
}

// finish ends the request once; answer queues the terminal event. cause is nil when
// the handler itself ends it. mayWrite says that the calling goroutine may block.
func (r *Request) finish(cause *Error, answer func(), mayWrite bool) error {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		r.session.stats.dropped.Add(1)
		return ErrEnded
	}
	r.ended = true
	r.cause = ErrEnded
	if cause != nil {
		r.cause = cause
	}
	r.session.forget(r)
	if answer != nil {
		answer()
	}
	r.session.answerQueued()
	out, own, stream := r.output(0), r.own, r.stream
	cancel, onCancel, deadline, idle := r.cancel, r.onCancel, r.deadline, r.idle
	why := r.cause
	r.more.Broadcast()
	r.mu.Unlock()

	if deadline != nil {
		deadline.Stop()
	}
	if idle != nil {
		idle.Stop()
	}
	if cancel != nil {
		cancel(why)
	}
	switch {
	case own == nil:
		if answer != nil && mayWrite {
			out.flush()
		} else if answer != nil {
			out.kick()
		}
	case answer != nil:
		own.end()
	default:
		own.abandon()
		stream.Cancel()
	}
	if cause != nil && onCancel != nil {
		onCancel(cause)
	}
	return nil
}

// expire ends the request with TIMEOUT, told to the caller.
func (r *Request) expire(message string) {
	err := Errorf(Timeout, "%s", message)
	_ = r.end(err, func() { r.output(0).addBuilt(wire.Failed, r.id, err.AppendJSON) })
}

// addCredit takes a grant of the caller.
func (r *Request) addCredit(n int) {
	r.mu.Lock()
	if r.ended || !r.params.windowed || n <= 0 {
		r.mu.Unlock()
		return
	}
	r.credit = min(r.credit+n, MaxWindow)
	notify := r.onCredit
	r.more.Broadcast()
	r.mu.Unlock()
	if notify != nil {
		notify(n)
	}
}

// output returns where the request's next frame goes: a stream of its own for a
// subscription and for large answers where the link has streams, else the main
// one. Called with r.mu held, or before the request is shared.
func (r *Request) output(size int) *output {
	if r.own != nil {
		return r.own
	}
	if size > 0 && (r.op.spec.Type == TypeSubscription || size >= ownStreamSize) {
		if out, stream := r.session.openOutput(); out != nil {
			r.own, r.stream = out, stream
			return out
		}
	}
	return r.session.out
}

func (r *Request) checkOutput(output []byte) *Error {
	registry := r.session.cfg.Registry
	if r.op.output == nil || !registry.checkOutputs.Load() {
		return nil
	}
	violations := r.op.output.check(output)
	if violations == nil {
		return nil
	}
	r.session.cfg.Logger.Error("output does not match its schema", "operation", r.Operation(), "pointer", violations[0].Pointer, "violation", violations[0].Message)
	return Errorf(Internal, "the operation gave an output that does not match its own schema")
}

var emptyObject = []byte("{}")

func appendOutput(dst, output []byte) []byte {
	dst = append(dst, `{"output":`...)
	dst = append(dst, output...)
	return append(dst, '}')
}

// params are the members of call.requested.
type params struct {
	operation   string
	input       []byte
	deadline    time.Time
	idleTimeout time.Duration
	window      int
	windowed    bool
	parent      string
	authToken   string
	metadata    map[string]string
}

// parseParams reads the payload of call.requested; input stays a part of it.
func parseParams(payload []byte) (params, *Error) {
	var p params
	var bad string
	if !wire.Members(payload, func(name, value []byte) {
		ok := true
		switch string(name) {
		case "operationId":
			p.operation, ok = wire.Text(value)
		case "input":
			p.input = value
		case "deadline":
			var ms int64
			if ms, ok = number(value); ok {
				p.deadline = time.UnixMilli(ms)
			}
		case "idleTimeout":
			var ms int64
			ms, ok = number(value)
			p.idleTimeout = time.Duration(min(ms, maxMilliseconds)) * time.Millisecond
		case "window":
			var n int64
			n, ok = number(value)
			p.window, p.windowed = int(min(n, MaxWindow)), true
		case "parentRequestId":
			p.parent, ok = wire.Text(value)
		case "authToken":
			p.authToken, ok = wire.Text(value)
		case "metadata":
			ok = json.Unmarshal(value, &p.metadata) == nil
		}
		if !ok && bad == "" {
			bad = string(name)
		}
	}) {
		return p, Errorf(InvalidInput, "the request is not an object")
	}
	if bad != "" {
		return p, Errorf(InvalidInput, "the request's member %q is malformed", bad)
	}
	if p.operation == "" {
		return p, Errorf(InvalidInput, "the request names no operationId")
	}
	if p.input == nil {
		p.input = []byte("null")
	}
	return p, nil
}

// maxMilliseconds is what a time.Duration holds, 292 years.
const maxMilliseconds = int64(math.MaxInt64 / time.Millisecond)

// number reads a whole, non-negative JSON number of at most 15 digits.
func number(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 15 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text), 10, 63)
	return int64(n), err == nil
}
