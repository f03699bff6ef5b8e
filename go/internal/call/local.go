package call

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/alkdev/alknet/go/internal/auth"
)

// localCaller is where the answers to a request go that a handler of this node makes:
// there is no session between the two.
type localCaller struct {
	sink   Sink
	kind   Kind
	logger *slog.Logger
}

// nextLocal numbers the requests between handlers, of the whole process, for logs
// and for parentRequestId.
var nextLocal atomic.Uint64

// localRequest is one of them.
type localRequest struct {
	Request
	caller localCaller
}

// origin is who makes a request that comes on no session.
type origin struct {
	identity *auth.Identity
	depth    uint32
	logger   *slog.Logger
}

// startLocal has an operation of this registry answer a request that comes on no
// session: access and input are checked as for any other.
func (r *Registry) startLocal(from origin, op *operation, kind Kind, input []byte, opts *Options, sink Sink) Outgoing {
	if err := opts.checkIdle(); err != nil {
		sink.Failed(err)
		return Outgoing{}
	}
	l := &localRequest{caller: localCaller{sink, kind, from.logger}}
	req := &l.Request
	req.local, req.registry, req.op, req.depth = &l.caller, r, op, from.depth
	req.id = "local-" + strconv.FormatUint(nextLocal.Add(1), 10)
	req.identity.Store(from.identity)
	req.params = params{
		operation: op.spec.Name, input: input, deadline: opts.Deadline, idleTimeout: opts.IdleTimeout,
		window: opts.window(kind), windowed: kind == Stream, parent: opts.ParentRequestID, metadata: opts.metadata,
	}
	if len(opts.Metadata) > 0 {
		req.params.metadata = appendTextMap(nil, opts.Metadata)
	}
	req.credit = req.params.window
	req.more.L = &req.mu
	req.observe()
	if req.admit() {
		if op.handler.immediate() {
			op.handler.serve(req)
		} else {
			go op.handler.serve(req)
		}
	}
	return Outgoing{localControl{req}}
}

// Start has the registry answer a request that comes on no session: over an interface
// that is none of this package's. It is checked as if it had come on a session of
// identity, which whoever calls has verified; nil is an anonymous caller. It behaves
// as Session.Start and Flush do; input is the registry's to keep. logger takes what a
// session's would; nil discards.
func (r *Registry) Start(kind Kind, operation string, input []byte, opts *Options, identity *auth.Identity, logger *slog.Logger, sink Sink) Outgoing {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if len(input) == 0 {
		input = []byte("null")
	}
	op, remote := r.find(operation)
	if op != nil && op.spec.Visibility == VisibilityExternal {
		return r.startLocal(origin{identity: identity, logger: logger}, op, kind, input, opts, sink)
	}
	if remote != nil {
		return r.startRemote(remote, kind, input, opts, identity, sink)
	}
	sink.Failed(errNotFound(operation))
	return Outgoing{}
}

// startRemote passes a request of this node's own on to another one, on behalf of
// identity.
func (r *Registry) startRemote(remote *Remote, kind Kind, input []byte, opts *Options, identity *auth.Identity, sink Sink) Outgoing {
	if _, err := remote.authorize(r.rules.Load(), identity, input); err != nil {
		sink.Failed(err)
		return Outgoing{}
	}
	opts.forwarded, opts.hops = remote.session.identityText(identity), 1
	return remote.session.startNow(kind, remote.name, input, opts, sink)
}

// localControl is a request between handlers, for the one who made it.
type localControl struct{ r *Request }

func (c localControl) Abort(string) {
	err := Errorf(Aborted, "the request was aborted")
	_ = c.r.finish(err, func() { c.r.tellFailed(err) }, dontWake)
}

func (c localControl) Credit(n int) { c.r.addCredit(n) }

// errOneAnswer stops a subscription that was called instead of subscribed to.
var errOneAnswer = Errorf(Aborted, "one answer was asked for")

// responded takes the output of a query or a mutation.
func (c *localCaller) responded(output json.RawMessage) {
	if c.kind == Stream {
		giveEvent(c.sink, output)
		c.sink.Completed()
		return
	}
	giveOutput(c.sink, output)
}

// event takes an event of a subscription and reports whether more are wanted.
func (c *localCaller) event(event json.RawMessage) bool {
	if c.kind == Stream {
		giveEvent(c.sink, event)
		return true
	}
	giveOutput(c.sink, event)
	return false
}

func (c *localCaller) completed() {
	if c.kind == Stream {
		c.sink.Completed()
		return
	}
	c.sink.Failed(errNoAnswer())
}

func (c *localCaller) failed(err *Error) { c.sink.Failed(err) }

// outputSink is a Sink that takes outputs without the object around them, which
// spares putting it there and taking it off again. They are the sink's to keep.
type outputSink interface {
	output(output json.RawMessage)
	event(event json.RawMessage)
}

func giveOutput(sink Sink, output json.RawMessage) {
	if s, ok := sink.(outputSink); ok {
		s.output(output)
		return
	}
	sink.Responded(appendOutput(nil, output))
}

func giveEvent(sink Sink, event json.RawMessage) {
	if s, ok := sink.(outputSink); ok {
		s.event(event)
		return
	}
	sink.Event(appendOutput(nil, event))
}
