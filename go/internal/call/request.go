package call

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
)

// ErrEnded is returned for what comes after the end of a request: it was dropped
// and counted.
var ErrEnded = errors.New("the request has ended")

// ErrNoCredit is returned by TrySend while the caller has no room.
var ErrNoCredit = errors.New("the caller has no room for another event")

// Request is one request, of the other side of a session or of another handler of
// this node, for the handler that answers it. Its methods are safe for concurrent
// use. Exactly one of Respond (of a query or a mutation), Complete and Fail ends it;
// the caller's abort, its deadline and the end of the session do so too.
type Request struct {
	session   *Session // nil for a request of this node's own handlers
	local     *localCaller
	registry  *Registry
	op        *operation
	id        string
	params    params
	identity  atomic.Pointer[auth.Identity]
	authority authority
	epoch     uint64 // of the session when the request came
	forwarded bool   // identity is one that a head has passed on
	depth     uint32 // of composition within this node
	held      int    // bytes of the input that count against the session's limit
	observed  observation

	mu       sync.Mutex
	ended    bool
	credit   int
	answer   json.RawMessage // of a query or a mutation, until its caller gives credit: see withhold
	more     sync.Cond       // signalled when credit grows or the request ends
	cause    error
	ctx      context.Context
	cancel   context.CancelCauseFunc
	onCancel func(*Error)
	onCredit func(n int)
	relay    *outgoing                // the request that this one was passed on as
	children map[*invocation]struct{} // what its handler invoked and has not ended
	deadline *time.Timer
	idle     *time.Timer
	rested   time.Time // when the idle clock was started, or something was sent since
	idling   bool      // the idle clock runs
	armed    bool      // the clocks have been started: see arm
	parked   bool      // it waits to be sent on
	own      *output   // the request's own stream, if it has one
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

// Identity returns who is calling: the other side of the session, the identity that
// a pinned head passed on, or the handler that invoked this one. nil is an anonymous
// caller.
func (r *Request) Identity() *auth.Identity { return r.identity.Load() }

// CallerID is the id of who is calling, "" of all that are anonymous: what a limit that
// callers share counts by.
func (r *Request) CallerID() string {
	id := r.Identity()
	if id == nil {
		return ""
	}
	return id.ID
}

// ForwardedFor returns the identity on whose behalf a head that this node has pinned
// passed the request on; ok is false when nobody did. It is Identity then.
func (r *Request) ForwardedFor() (id *auth.Identity, ok bool) {
	if !r.forwarded {
		return nil, false
	}
	return r.Identity(), true
}

// Tokened reports whether the request came with an authToken: Identity is the token's,
// not the session's.
func (r *Request) Tokened() bool { return r.params.tokened }

// HandlerIdentity returns what the handler itself may do: see WithAuthority.
func (r *Request) HandlerIdentity() *auth.Identity { return r.op.authority }

// Session returns the session that the request came on, for calling back; nil when
// another handler of this node makes it.
func (r *Request) Session() *Session { return r.session }

// Metadata returns a copy of what the caller sent along; it may be nil.
func (r *Request) Metadata() map[string]string { return textMap(r.params.metadata) }

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

func (r *Request) logger() *slog.Logger {
	if r.session != nil {
		return r.session.cfg.Logger
	}
	return r.local.logger
}

// dropped counts what came after the end of the request.
func (r *Request) dropped() {
	if r.session != nil {
		r.session.stats.dropped.Add(1)
	}
}

// addCredit takes a grant of the caller.
func (r *Request) addCredit(n int) {
	r.mu.Lock()
	if r.ended || !r.params.windowed || n <= 0 {
		r.mu.Unlock()
		return
	}
	blocked := r.credit == 0
	r.credit = min(r.credit+n, MaxWindow)
	if blocked {
		r.startIdle() // it could not send until now
	}
	notify, relay, answer := r.onCredit, r.relay, r.answer
	r.more.Broadcast()
	r.mu.Unlock()
	if answer != nil {
		_ = r.finish(nil, func() { r.tellOutput(answer) }, kick)
	}
	if notify != nil {
		notify(n)
	}
	if relay != nil {
		relay.Credit(n)
	}
}

// arm starts the request's clocks.
func (r *Request) arm() {
	if r.params.deadline.IsZero() && r.params.idleTimeout <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	if t := r.params.deadline; !t.IsZero() {
		r.deadline = time.AfterFunc(time.Until(t), func() { r.expire("the operation did not finish before its deadline") })
	}
	r.armed = true
	r.startIdle()
}

// startIdle starts the idle clock of a subscription that may send. It runs only then:
// what waits for its caller's credit, or to be sent on, costs no timer. Called with r.mu
// held.
func (r *Request) startIdle() {
	d := r.params.idleTimeout
	if d <= 0 || r.op.spec.Type != TypeSubscription || !r.armed || r.parked || r.ended || r.params.windowed && r.credit == 0 {
		return
	}
	r.rested = time.Now()
	switch {
	case r.idle == nil:
		r.idle = time.AfterFunc(d, r.idled)
	case !r.idling:
		r.idle.Reset(d)
	}
	r.idling = true
}

// rest notes that the subscription has sent something. Called with r.mu held.
func (r *Request) rest() {
	if r.idle != nil {
		r.rested = time.Now()
	}
}

// idled ends a subscription that sent nothing for too long while it could.
func (r *Request) idled() {
	r.mu.Lock()
	left := r.params.idleTimeout - time.Since(r.rested)
	blocked := r.params.windowed && r.credit == 0
	switch {
	case r.ended || blocked:
		r.idling = false // addCredit starts it
	case left > 0:
		r.idle.Reset(left)
	}
	r.mu.Unlock()
	if !blocked && left <= 0 {
		r.expire("the subscription sent nothing for its idle timeout")
	}
}

// expire ends the request with TIMEOUT, told to the caller.
func (r *Request) expire(message string) {
	err := Errorf(Timeout, "%s", message)
	_ = r.end(err, func() { r.tellFailed(err) })
}
