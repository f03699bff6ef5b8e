package call

import (
	"bytes"
	"time"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/wire"
)

// requested takes a request of the other side: it is registered here, in the order
// of arrival, and checked and handled on a goroutine of its own, unless nothing
// about it can take long.
func (s *Session) requested(id string, payload []byte, owned bool) {
	p, bad := parseParams(payload)
	if bad != nil {
		s.refuse(id, bad)
		return
	}
	op := s.cfg.Registry.lookup(p.operation)
	if op == nil || op.spec.Visibility != VisibilityExternal {
		s.refuse(id, Errorf(NotFound, "there is no operation %.80q on this node", p.operation))
		return
	}
	if !owned {
		p.input = bytes.Clone(p.input)
	}
	r := &Request{session: s, op: op, id: id, params: p, identity: s.id.Load(), credit: p.window}
	r.more.L = &r.mu
	if err := s.remember(r); err != nil {
		s.refuse(id, err)
		return
	}
	if p.authToken == "" && len(p.input) <= inlineInput {
		if !r.admit() {
			return
		}
		if op.handler.immediate() {
			op.handler.serve(r)
		} else {
			go op.handler.serve(r)
		}
		return
	}
	go s.serve(r)
}

// inlineInput is the largest input that the reading goroutine checks itself, which
// saves the handler's goroutine from growing its stack for that: about a quarter of
// what a short call costs. Larger ones would keep the other requests waiting.
const inlineInput = 4 << 10

// remember registers a request, or says why it is refused.
func (s *Session) remember(r *Request) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case s.closing:
		return Errorf(Unavailable, "the node is shutting down")
	case s.incoming[r.id] != nil:
		return Errorf(Conflict, "a request with this id is still open")
	case len(s.incoming) >= s.cfg.Limits.MaxInFlight:
		return Errorf(ResourceExhausted, "%d requests of this session are in flight: wait for an answer", len(s.incoming))
	case s.queued.Load() > int64(s.cfg.Limits.MaxQueued):
		return Errorf(ResourceExhausted, "%d bytes wait to be read: read the answers first", s.queued.Load())
	case s.held > 0 && s.held+len(r.params.input) > s.cfg.Limits.MaxQueued:
		return Errorf(ResourceExhausted, "the inputs of this session's requests in flight have %d bytes: wait for an answer", s.held)
	case s.early.has(r.id):
		return Errorf(Aborted, "the request was stopped before it arrived")
	}
	s.incoming[r.id] = r
	s.held += len(r.params.input)
	return nil
}

// forget removes a request that has ended.
func (s *Session) forget(r *Request) {
	s.mu.Lock()
	if s.incoming[r.id] == r {
		delete(s.incoming, r.id)
		s.held -= len(r.params.input)
	}
	if len(s.incoming) == 0 && s.empty != nil {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
	s.mu.Unlock()
}

// serve checks a request and runs its handler, on a goroutine of its own.
func (s *Session) serve(r *Request) {
	if r.params.authToken != "" {
		identity, err := s.verifyToken(r.params.authToken)
		if err != nil {
			r.Fail(err)
			return
		}
		r.identity = identity
	}
	if r.admit() {
		r.op.handler.serve(r)
	}
}

// admit checks access and input, and starts the clocks of a request that may run.
func (r *Request) admit() bool {
	if err := r.op.spec.AccessControl.authorize(r.op.spec.Name, r.identity, r.params.input); err != nil {
		r.reject(err)
		return false
	}
	if err := r.op.checkInput(r.params.input); err != nil {
		r.reject(err)
		return false
	}
	if t := r.params.deadline; !t.IsZero() && !time.Now().Before(t) {
		r.reject(Errorf(Timeout, "the request came after its deadline"))
		return false
	}
	r.arm()
	return true
}

// errRefused is the one answer to every credential that is not accepted: it does not
// tell whether there is such a key, nor what is wrong with it.
func errRefused() *Error { return Errorf(Unauthenticated, "the credential was refused") }

func (s *Session) verifyToken(token string) (*auth.Identity, *Error) {
	if s.cfg.Tokens != nil {
		if identity, err := s.cfg.Tokens.IdentityFromToken(s.ctx, token); err == nil {
			return identity, nil
		}
	}
	return nil, errRefused()
}

// reject ends a request that was not admitted. It does not block: the reading
// goroutine may be the one that calls it.
func (r *Request) reject(err *Error) {
	_ = r.finish(nil, func() { r.session.out.addBuilt(wire.Failed, r.id, err.AppendJSON) }, false)
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
	if d := r.params.idleTimeout; d > 0 && r.op.spec.Type == TypeSubscription {
		r.idle = time.AfterFunc(d, func() { r.idled(d) })
	}
}

// idled ends a subscription that sent nothing for too long. Waiting for the
// caller's credit does not count against it.
func (r *Request) idled(d time.Duration) {
	r.mu.Lock()
	waiting := r.params.windowed && r.credit == 0
	if waiting && !r.ended {
		r.idle.Reset(d)
	}
	r.mu.Unlock()
	if !waiting {
		r.expire("the subscription sent nothing for its idle timeout")
	}
}

// refuse answers a request that never became one.
func (s *Session) refuse(id string, err *Error) {
	s.out.addBuilt(wire.Failed, id, err.AppendJSON)
	s.out.kick()
}
