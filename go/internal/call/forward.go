package call

import (
	"strconv"
	"strings"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

// forward is a request that this node passes on: what one session asks, another one
// answers. Inputs, outputs, events and errors are copied as they are. The caller's
// credit goes through, so that the node that sends holds back, not this one.
type forward struct {
	Request
	remote *Remote
	out    outgoing
}

// pass takes a request for an operation of another node.
func (s *Session) pass(id string, p params, forwarded *auth.Identity, remote *Remote, owned bool, size int, b *batch) error {
	if p.hops >= MaxHops {
		return s.refuse(id, Errorf(InvalidInput, "%.80q passes more than %d nodes", p.operation, MaxHops))
	}
	epoch := s.epoch.Load() // before the identity: see admitted
	identity, err := s.caller(&p, forwarded)
	if err != nil {
		return s.refuse(id, err)
	}
	f := &forward{remote: remote}
	f.session, f.registry, f.op, f.id = s, s.cfg.Registry, &remote.operation, id
	f.identity.Store(identity)
	f.forwarded, f.epoch = p.forwarded != nil, epoch
	p.forwarded = nil
	f.params, f.credit = p, p.window
	f.out = outgoing{session: remote.session, kind: Single, relay: f}
	if p.windowed || remote.spec.Type == TypeSubscription {
		f.out.kind = Stream
	}
	// Of a large input the resource is looked up on a goroutine of its own.
	inline := !p.tokened && (remote.spec.AccessControl.ResourceType == "" || len(p.input) <= inlineInput)
	f.held = p.counted
	if err := s.remember(&f.Request); err != nil {
		return s.refuse(id, err)
	}
	f.observe()
	if inline {
		f.start(b)
		return nil
	}
	f.params.keep(owned, size)
	go func() {
		defer s.recover()
		if f.verify() {
			f.start(nil)
		}
	}()
	return nil
}

// start checks access and sends the request on.
func (f *forward) start(b *batch) {
	r := &f.Request
	resource, err := r.op.authorize(r.registry.rules.Load(), r.Identity(), r.params.input)
	if err != nil {
		r.reject(err)
		return
	}
	if r.late() {
		return
	}
	identity := r.session.identityText(r.Identity()) // as it was read, also where another head has passed it on
	target := f.remote.session
	p := &r.params
	size := len(p.input)
	f.out.size = sizeOf(p.input, p.metadata, identity)
	build := func(dst []byte) []byte { return f.appendRequest(dst, identity) }
	r.mu.Lock()
	if r.ended { // aborted while its token was verified
		r.mu.Unlock()
		return
	}
	now, err := target.beginForward(&f.out, r.callerKey())
	var out *output
	fits := true
	switch {
	case err != nil:
	case now:
		out, fits = target.sendRequest(&f.out, len(p.input)+len(f.remote.name)+len(identity)+len(p.metadata), func(dst []byte) []byte { return closeRequest(build(dst), p.deadline) })
		if !fits {
			target.take(&f.out)
		}
	default:
		err, fits = target.wait(&f.out, p.deadline, build)
	}
	if err == nil && fits {
		r.relay = &f.out
		// They were parts of a frame whose buffer is used again.
		p.input, p.metadata = nil, nil
	}
	f.parked = !now
	r.mu.Unlock()
	switch {
	case !fits:
		r.reject(Errorf(InvalidInput, "the request to %s, with its input of %d bytes, is larger than the frames that its node takes", r.Operation(), size))
	case err != nil:
		r.reject(f.lost(err))
	default:
		if out != nil {
			b.touch(out)
		}
		r.arm()
		r.admitted(resource)
		if !now {
			target.pump(nil) // there may be room meanwhile
		}
	}
}

// sent starts the idle clock of a request that has waited.
func (f *forward) sent() {
	f.mu.Lock()
	f.parked = false
	f.startIdle()
	f.mu.Unlock()
}

// callerKey names who makes the request, for its share of a session.
func (r *Request) callerKey() callerKey {
	if id := r.Identity(); id != nil {
		return callerKey{identity: id.ID}
	}
	return callerKey{anonymous: r.session.number}
}

// appendRequest gives the payload of the request as it is sent on. The token, if the
// caller sent one, was for this node: the next one could use it.
func (f *forward) appendRequest(dst, identity []byte) []byte {
	p := &f.params
	dst = append(dst, `{"operationId":`...)
	dst = wire.AppendText(dst, f.remote.name)
	dst = append(append(dst, `,"input":`...), p.input...)
	if p.idleTimeout > 0 {
		dst = strconv.AppendInt(append(dst, `,"idleTimeout":`...), p.idleTimeout.Milliseconds(), 10)
	}
	if p.windowed {
		dst = strconv.AppendInt(append(dst, `,"window":`...), int64(p.window), 10)
	}
	if p.parent != "" {
		dst = wire.AppendText(append(dst, `,"parentRequestId":`...), p.parent)
	}
	if p.metadata != nil {
		dst = append(append(dst, `,"metadata":`...), p.metadata...)
	}
	dst = append(append(dst, `,"forwardedFor":`...), identity...)
	return strconv.AppendInt(append(dst, `,"hops":`...), int64(p.hops)+1, 10)
}

// answered takes an event of the node that answers. Called with out.mu held.
func (f *forward) answered(env wire.Envelope, b *batch) {
	switch {
	case env.Type == wire.Responded && f.out.kind == Stream:
		f.event(env.Payload, b)
	case env.Type == wire.Completed && f.out.kind == Single:
		f.fail(errNoAnswer(), b)
	default:
		f.finishWith(env.Type, env.Payload, b)
	}
}

// finishWith passes a terminal event on.
func (f *forward) finishWith(typ string, payload []byte, b *batch) {
	r := &f.Request
	if r.session.oversized(len(payload)) {
		f.fail(tooLarge("the answer", r.Operation(), len(payload)), b)
		return
	}
	var out *output
	if r.finish(nil, func() {
		if r.observed.began != 0 {
			r.observed.outcome = passedOn(typ, payload)
		}
		out = r.output(len(payload))
		out.add(typ, r.id, payload)
	}, dontWake) == nil && out == r.session.out {
		b.touch(out)
	}
}

// event passes one event of a subscription on.
func (f *forward) event(payload []byte, b *batch) {
	r := &f.Request
	r.mu.Lock()
	var bad *Error
	switch {
	case r.ended:
		r.mu.Unlock()
		r.dropped()
		return
	case r.session.oversized(len(payload)):
		bad = tooLarge("an event", r.Operation(), len(payload))
	case r.params.windowed && r.credit == 0:
		bad = Errorf(ProtocolError, "the node %s sent more events than it had credit for", f.node())
	case !r.params.windowed && !r.unwindowed():
		bad = tooSlow(r.Operation())
	}
	if bad != nil {
		r.mu.Unlock()
		f.fail(bad, b)
		return
	}
	r.credit--
	out := r.output(len(payload))
	out.add(wire.Responded, r.id, payload)
	r.rest()
	r.mu.Unlock()
	b.touch(out)
}

// fail ends the request on both sides.
func (f *forward) fail(err *Error, b *batch) {
	if f.finish(err, func() { f.tellFailed(err) }, dontWake) == nil && f.own == nil {
		b.touch(f.session.out)
	}
}

// Responded, Event, Completed and Failed implement Sink; the first three come as
// frames, to answered.
func (f *forward) Responded([]byte) {}
func (f *forward) Event([]byte)     {}
func (f *forward) Completed()       {}

// Failed ends the request because the other session did, or would not have it.
func (f *forward) Failed(err *Error) {
	lost := f.lost(err)
	_ = f.finish(nil, func() { f.tellFailed(lost) }, kick)
}

// node names the node that the request is passed on to.
func (f *forward) node() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(f.op.spec.Name, "/"), "/")
	return name
}

// lost says in the caller's words what happened between this node and the other:
// addresses of nodes are not told to callers.
func (f *forward) lost(err *Error) *Error {
	switch {
	case err.Code == Unavailable && f.remote.session.Err() != nil:
		return Errorf(Unavailable, "the node %s went away before it answered", f.node())
	case err.Code == Unavailable:
		return Errorf(Unavailable, "the node %s is shutting down", f.node())
	case err.Code == ResourceExhausted:
		return Errorf(ResourceExhausted, "the node %s has too much to do: try again later", f.node())
	}
	return err
}

func tooLarge(what, operation string, size int) *Error {
	err := Errorf(ResourceExhausted, "%s of %s has %d bytes, more than the other node takes in one frame", what, operation, size)
	err.Retryable = false
	return err
}

func errNoAnswer() *Error { return Errorf(Internal, "the operation ended without an answer") }
