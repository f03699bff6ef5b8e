package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/alkdev/alknet/go/internal/auth"
)

// HandleOption says what a handler may do itself.
type HandleOption func(*operation) error

// WithAuthority gives the handler an identity of its own: what it invokes is checked
// against that, never against its caller's. Default: an identity without scopes
// that is named after the operation, as is one without an id. It is not to be
// changed afterwards.
func WithAuthority(id *auth.Identity) HandleOption {
	return func(op *operation) error {
		if id == nil {
			return errors.New("the handler's identity is nil")
		}
		own := *id
		if own.ID == "" {
			own.ID = op.authority.ID
		}
		op.authority = &own
		return nil
	}
}

// WithReach lists the operations that the handler may invoke; all others are
// NOT_FOUND for it. A segment "*" stands for any one segment, "**" for any number.
// Default: none.
func WithReach(operations ...string) HandleOption {
	return func(op *operation) error {
		for _, text := range operations {
			p, err := parsePattern(text)
			if err != nil {
				return fmt.Errorf("reach: %w", err)
			}
			op.reach = append(op.reach, p)
		}
		return nil
	}
}

// maxDepth bounds how deep handlers of one node may invoke each other: a handler
// that invokes itself must not take the node down.
const maxDepth = 32

// ContinueRunning lets what a handler invokes go on when the handler's own request
// has ended, its deadline included. It is for calls, not for subscriptions.
func ContinueRunning() Option { return func(o *Options) { o.ContinueRunning = true } }

// Invoke calls an operation on behalf of the handler of r and waits for its answer,
// wherever the operation is: in this node's registry, in a service attached to it,
// on a node that is connected to this one (then namespace begins with its name, as
// in "dev1/fs"), or on the head that this node is connected to. The handler cannot
// tell which.
//
// What the handler's registration does not list is NOT_FOUND (WithReach), and the
// call is made under the handler's own identity (WithAuthority); only the head's own
// operations and other nodes behind it see this node's identity instead. The call
// carries r's id as its parent, r's metadata and a deadline no later than r's, and is
// stopped when ctx or r ends, unless ContinueRunning is given.
func (r *Request) Invoke(ctx context.Context, namespace, op string, input any, options ...Option) (json.RawMessage, error) {
	raw, opts, err := prepare(ctx, input, options)
	if err != nil {
		return nil, err
	}
	answer := make(single, 1)
	request := r.Start(Single, opts.at+"/"+namespace+"/"+op, raw, opts, answer)
	return answer.wait(ctx, request, opts)
}

// InvokeStream subscribes to an operation as Invoke calls one.
func (r *Request) InvokeStream(ctx context.Context, namespace, op string, input any, options ...Option) (*Subscription, error) {
	raw, opts, err := prepare(ctx, input, options)
	if err != nil {
		return nil, err
	}
	sub := newSubscription(opts)
	sub.request = r.Start(Stream, opts.at+"/"+namespace+"/"+op, raw, opts, sub)
	return sub, nil
}

// Start is Invoke and InvokeStream for callers that must not block, as Session.Start
// is for Session.Call. opts is not to be used again.
func (r *Request) Start(kind Kind, operation string, input []byte, opts *Options, sink Sink) Outgoing {
	if err := r.mayInvoke(kind, operation, opts); err != nil {
		sink.Failed(err)
		return Outgoing{}
	}
	opts.ParentRequestID = r.id
	if len(opts.Metadata) == 0 {
		opts.metadata = r.params.metadata
	} else if len(r.params.metadata) > 0 {
		merged := r.Metadata()
		for k, v := range opts.Metadata {
			merged[k] = v
		}
		opts.Metadata = merged
	}
	if len(input) == 0 {
		input = []byte("null")
	}
	if opts.ContinueRunning {
		return r.dispatch(kind, operation, input, opts, sink)
	}
	if t := r.params.deadline; !t.IsZero() && (opts.Deadline.IsZero() || opts.Deadline.After(t)) {
		opts.Deadline = t
	}
	child := &invocation{parent: r, sink: sink}
	if err := r.adopt(child); err != nil {
		sink.Failed(err)
		return Outgoing{}
	}
	child.started(r.dispatch(kind, operation, input, opts, child))
	return Outgoing{child}
}

func (r *Request) mayInvoke(kind Kind, operation string, opts *Options) *Error {
	reached := false
	for _, p := range r.op.reach {
		reached = reached || p.match(operation)
	}
	switch {
	case !reached:
		return errNotFound(operation)
	case opts.ContinueRunning && kind == Stream:
		return Errorf(InvalidInput, "a subscription cannot continue without its subscriber: continueRunning is for calls")
	case opts.AuthToken != "":
		return Errorf(InvalidInput, "a handler invokes under its own identity: a token cannot change that")
	case r.depth >= maxDepth:
		err := Errorf(ResourceExhausted, "handlers invoke each other more than %d deep", maxDepth)
		err.Retryable = false
		return err
	}
	return nil
}

// dispatch finds the operation and starts it.
func (r *Request) dispatch(kind Kind, operation string, input []byte, opts *Options, sink Sink) Outgoing {
	registry := r.registry
	op, remote := registry.find(operation)
	if op != nil {
		return registry.startLocal(origin{r.op.authority, r.depth + 1, r.logger()}, op, kind, input, opts, sink)
	}
	if service := registry.service(operation); service != nil {
		if len(opts.Metadata) == 0 {
			opts.Metadata = textMap(opts.metadata)
		}
		return service.Start(kind, operation, input, opts, r.op.authority, sink)
	}
	if remote != nil {
		return registry.startRemote(remote, kind, input, opts, r.op.authority, sink)
	}
	if session, err := registry.head(); session != nil || err != nil {
		if err != nil {
			sink.Failed(err)
			return Outgoing{}
		}
		return session.startNow(kind, operation, input, opts, sink)
	}
	sink.Failed(errNotFound(operation))
	return Outgoing{}
}

// startNow is Start and Flush.
func (s *Session) startNow(kind Kind, operation string, input []byte, opts *Options, sink Sink) Outgoing {
	o := s.Start(kind, operation, input, opts, sink)
	s.Flush()
	return o
}

// adopt makes child end with r, unless r has ended already.
func (r *Request) adopt(child *invocation) *Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return Errorf(Aborted, "the request has ended: its handler can invoke nothing any more")
	}
	if r.children == nil {
		r.children = map[*invocation]struct{}{}
	}
	r.children[child] = struct{}{}
	return nil
}

// invocation is what a handler has invoked: its sink, and what ends it with the
// handler's request.
type invocation struct {
	parent *Request
	sink   Sink

	mu      sync.Mutex
	out     Outgoing
	known   bool   // out is set
	credit  int    // to give, once out is known
	stopped string // why to stop it, once out is known
}

// started takes what the request is controlled by. The answer, and the end of the
// parent, may have come before.
func (c *invocation) started(out Outgoing) {
	c.mu.Lock()
	c.out, c.known = out, true
	stopped, credit := c.stopped, c.credit
	c.mu.Unlock()
	if stopped != "" {
		out.Abort(stopped)
		return
	}
	out.Credit(credit)
}

// abort ends the request because its parent has ended.
func (c *invocation) abort(reason string) {
	c.mu.Lock()
	out, known := c.out, c.known
	c.stopped = reason
	c.mu.Unlock()
	if known {
		out.Abort(reason)
	}
}

// Abort and Credit implement control.
func (c *invocation) Abort(reason string) {
	if reason == "" {
		reason = "the handler stopped it"
	}
	c.abort(reason)
}

func (c *invocation) Credit(n int) {
	c.mu.Lock()
	out, known := c.out, c.known
	if !known {
		c.credit += n
	}
	c.mu.Unlock()
	if known {
		out.Credit(n)
	}
}

// over lets the parent forget the request.
func (c *invocation) over() {
	c.parent.mu.Lock()
	delete(c.parent.children, c)
	c.parent.mu.Unlock()
}

// Responded, Event, Completed and Failed implement Sink.
func (c *invocation) Responded(payload []byte) { c.over(); c.sink.Responded(payload) }
func (c *invocation) Event(payload []byte)     { c.sink.Event(payload) }
func (c *invocation) Completed()               { c.over(); c.sink.Completed() }
func (c *invocation) Failed(err *Error)        { c.over(); c.sink.Failed(err) }

// output and event implement outputSink.
func (c *invocation) output(output json.RawMessage) { c.over(); giveOutput(c.sink, output) }
func (c *invocation) event(event json.RawMessage)   { giveEvent(c.sink, event) }

// Upstream gives the session with the head that a node is connected to, or why there
// is none at the moment.
type Upstream func() (*Session, error)

// SetUpstream has handlers reach, by Request.Invoke, what is not found here on the
// node at the other side; nil ends that.
func (r *Registry) SetUpstream(upstream Upstream) {
	if upstream == nil {
		r.upstream.Store(nil)
		return
	}
	r.upstream.Store(&upstream)
}

func (r *Registry) head() (*Session, *Error) {
	upstream := r.upstream.Load()
	if upstream == nil {
		return nil, nil
	}
	session, err := (*upstream)()
	if err != nil {
		var coded *Error
		if errors.As(err, &coded) {
			return nil, coded
		}
		return nil, Errorf(Unavailable, "%w", err)
	}
	return session, nil
}

// bounded is the deadline that a request under opts gets from ctx.
func bounded(ctx context.Context, opts *Options) {
	if deadline, ok := ctx.Deadline(); ok && (opts.Deadline.IsZero() || deadline.Before(opts.Deadline)) {
		opts.Deadline = deadline
	}
}
