package call

import (
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

// requested takes a request of the other side: it is registered here, in the order
// of arrival, and checked and handled on a goroutine of its own, unless nothing
// about it can take long.
func (s *Session) requested(id string, payload []byte, owned bool, b *batch) error {
	p, bad := parseParams(payload)
	if bad != nil {
		return s.refuse(id, bad)
	}
	trusted, bad := s.checkForwarded(&p)
	if bad != nil {
		return s.refuse(id, bad)
	}
	op, remote := s.cfg.Registry.find(p.operation)
	if remote != nil {
		return s.pass(id, p, trusted, remote, owned, len(payload), b)
	}
	if op == nil || op.spec.Visibility != VisibilityExternal {
		return s.refuse(id, errNotFound(p.operation))
	}
	epoch := s.epoch.Load() // before the identity: see admitted
	identity, err := s.caller(&p, trusted)
	if err != nil {
		return s.refuse(id, err)
	}
	forwarded := p.forwarded != nil
	p.forwarded = nil
	p.keep(owned, len(payload))
	r := &Request{session: s, registry: s.cfg.Registry, op: op, id: id, params: p, forwarded: forwarded, epoch: epoch, credit: p.window, held: p.counted}
	r.identity.Store(identity)
	r.more.L = &r.mu
	if err := s.remember(r); err != nil {
		return s.refuse(id, err)
	}
	r.observe()
	if !p.tokened && len(p.input) <= inlineInput {
		if !r.admit() {
			return nil
		}
		if op.handler.immediate() {
			op.handler.serve(r)
		} else {
			go op.handler.serve(r)
		}
		return nil
	}
	go func() {
		defer s.recover()
		r.serve()
	}()
	return nil
}

func errNotFound(operation string) *Error {
	return Errorf(NotFound, "there is no operation %.80q on this node", operation)
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
	case s.incoming[r.id] != nil:
		return errIDInUse // refuse makes it the session's
	case s.err != nil:
		return s.err
	case s.closing:
		return Errorf(Unavailable, "the node is shutting down")
	case len(s.incoming) >= s.cfg.Limits.MaxInFlight:
		return Errorf(ResourceExhausted, "%d requests of this session are in flight: wait for an answer", len(s.incoming))
	case s.queued.Load() > int64(s.cfg.Limits.MaxQueued):
		return Errorf(ResourceExhausted, "%d bytes wait to be read: read the answers first", s.queued.Load())
	case s.held > 0 && s.held+r.held > s.cfg.Limits.MaxQueued:
		return Errorf(ResourceExhausted, "the inputs of this session's requests in flight have %d bytes: wait for an answer", s.held)
	case !s.cfg.Kept.change(s.held, s.held+r.held):
		return Errorf(ResourceExhausted, "the inputs of all requests to this node take too much memory: try again later")
	case s.early.has(r.id):
		s.cfg.Kept.change(s.held+r.held, s.held)
		return Errorf(Aborted, "the request was stopped before it arrived")
	}
	s.incoming[r.id] = r
	s.held += r.held
	return nil
}

// forget removes a request that has ended. Its answer is queued after that, since
// the other side may send the next request as soon as it has it; answerQueued follows.
func (s *Session) forget(r *Request) {
	s.mu.Lock()
	if s.incoming[r.id] == r {
		delete(s.incoming, r.id)
		s.cfg.Kept.change(s.held, s.held-r.held)
		s.held -= r.held
	}
	s.answering++
	s.mu.Unlock()
}

// answerQueued counts a forgotten request whose answer is queued.
func (s *Session) answerQueued() {
	s.mu.Lock()
	s.answering--
	if s.idle() && s.empty != nil {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
	s.mu.Unlock()
}

// idle reports whether no request runs or is being answered. Called with s.mu held.
func (s *Session) idle() bool { return len(s.incoming) == 0 && s.answering == 0 }

// serve checks a request and runs its handler, on a goroutine of its own.
func (r *Request) serve() {
	if r.verify() && r.admit() {
		r.op.handler.serve(r)
	}
}

// verify puts the identity of the request's own token, if it has one, in place of
// the session's.
func (r *Request) verify() bool {
	if !r.params.tokened {
		return true
	}
	identity, err := r.session.verifyToken(r.params.authToken)
	r.params.authToken = "" // it has done its work
	if err != nil {
		r.Fail(err)
		return false
	}
	r.identity.Store(identity)
	return true
}

// admit checks access and input, and starts the clocks of a request that may run.
func (r *Request) admit() bool {
	resource, err := r.op.authorize(r.registry.rules.Load(), r.Identity(), r.params.input)
	if err != nil {
		r.reject(err)
		return false
	}
	if err := r.op.checkInput(r.params.input, r); err != nil {
		r.reject(err)
		return false
	}
	if r.late() {
		return false
	}
	r.arm()
	r.admitted(resource)
	return true
}

// hasEnded reports whether the request is over.
func (r *Request) hasEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// late ends a request that came after its deadline.
func (r *Request) late() bool {
	t := r.params.deadline
	if t.IsZero() || time.Now().Before(t) {
		return false
	}
	r.reject(Errorf(Timeout, "the request came after its deadline"))
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
	_ = r.finish(nil, func() { r.tellFailed(err) }, kick)
}

// errIDInUse ends the session: an answer under such an id could not say which of the
// two requests it means.
var errIDInUse = Errorf(ProtocolError, "the id of a request is in use")

// refuse answers a request that never became one. The error is the session's.
func (s *Session) refuse(id string, err *Error) error {
	s.mu.Lock()
	inUse := s.incoming[id] != nil
	s.mu.Unlock()
	if inUse {
		return &wire.ProtocolError{Class: wire.ClassShape, Reason: errIDInUse.Message}
	}
	if o := s.cfg.Registry.observer.Load(); o != nil {
		(*o).Refused(s, err)
	}
	s.out.addBuilt(wire.Failed, id, err.AppendJSON)
	s.out.kick()
	return nil
}
