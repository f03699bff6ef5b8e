package call

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/strictjson"
	"github.com/alkdev/alknet/go/internal/wire"
)

// openRequest is the payload of session.open. nil is a member that is absent: an empty
// token is a token.
type openRequest struct {
	Token       *string `json:"token,omitempty"`
	Certificate *string `json:"certificate,omitempty"` // "ssh-ed25519-cert-v01@openssh.com AAAA…"
	Agent       string  `json:"agent,omitempty"`
}

// maxAgent bounds what a side says of its software, in bytes.
const maxAgent = 256

// parseOpen reads a session.open. null is as if the member were absent.
func parseOpen(env wire.Envelope) (req openRequest, err *Error) {
	if env.ID != "" {
		return req, Errorf(ProtocolError, "the id of session.open is not empty")
	}
	var names wire.Names
	member := func(name, value []byte) (ok bool) {
		text, ok := wire.Text(value)
		if string(value) == "null" {
			return true
		}
		switch string(name) {
		case "token":
			req.Token = &text
		case "certificate":
			req.Certificate = &text
		case "agent":
			req.Agent, ok = text, ok && len(text) <= maxAgent
		}
		return ok
	}
	if !wire.Members(env.Payload, func(name, value []byte) {
		switch string(name) {
		case "token", "certificate", "agent":
			switch {
			case err != nil:
			case !names.Add(name):
				err = Errorf(ProtocolError, "the member %q of session.open occurs twice", name)
			case !member(name, value):
				err = Errorf(ProtocolError, "the member %q of session.open is malformed", name)
			}
		}
	}) {
		err = Errorf(ProtocolError, "the payload of session.open is not an object")
	}
	return req, err
}

// openAnswer is the payload of session.opened.
type openAnswer struct {
	Node     string         `json:"node"`
	Identity *auth.Identity `json:"identity"`
	Limits   Limits         `json:"limits"`
}

// maxOpenFrame bounds the first frame of a stranger, in bytes: a certificate, a token
// and a name.
const maxOpenFrame = 8 << 10

// Accept opens the listening side of a session. Where the transport has proven a
// key the session is open at once; elsewhere the other side must first send
// session.open with a token that verifies, within Limits.OpenTimeout. On an error
// the link is closed.
func Accept(ctx context.Context, link Link, cfg Config) (*Session, error) {
	s := newSession(link, cfg)
	s.accepted = true
	if cfg.Refuse != nil {
		s.abort(cfg.Refuse)
		return nil, cfg.Refuse
	}
	if !cfg.KeyProven {
		if err := s.acceptOpen(ctx); err != nil {
			s.abort(err)
			return nil, err
		}
	}
	s.start()
	return s, nil
}

// abort closes a link whose session was never opened, once.
func (s *Session) abort(err *Error) {
	s.refusing.Do(func() {
		s.out.addBuilt(wire.Failed, "", err.AppendJSON)
		s.farewell()
		s.out.abandon()
		s.cancel()
		s.hangUp(err.Error())
	})
}

func (s *Session) acceptOpen(ctx context.Context) *Error {
	s.reader.SetLimit(maxOpenFrame)
	env, err := s.firstFrame(ctx, s.abort)
	if err != nil {
		return err
	}
	s.reader.SetLimit(s.cfg.Limits.MaxFrame)
	if env.Type != wire.Open {
		return errRefused() // the first frame must be session.open: nothing else of it is looked at
	}
	req, err := parseOpen(env)
	if err != nil {
		return err
	}
	return s.open(req)
}

// open checks a session.open and answers it.
func (s *Session) open(req openRequest) *Error {
	switch {
	case s.cfg.KeyProven: // the key's own grant holds, also beside a certificate
	case req.Certificate != nil:
		token := ""
		if req.Token != nil {
			if token = *req.Token; token == "" {
				return errRefused()
			}
		}
		identity, err := s.verifyCertificate(*req.Certificate, token)
		if err != nil {
			return err
		}
		s.id.Store(identity)
	case req.Token != nil:
		identity, err := s.verifyToken(*req.Token)
		if err != nil {
			return err
		}
		s.id.Store(identity)
	case !s.cfg.AllowAnonymous:
		return errRefused()
	}
	peer := s.Peer()
	peer.Agent = req.Agent
	s.peer.Store(&peer)
	s.opened.Store(true)
	answer, err := json.Marshal(openAnswer{s.cfg.Node, s.id.Load(), s.cfg.Limits})
	if err != nil {
		return Errorf(Internal, "the session could not be opened")
	}
	s.out.add(wire.Opened, "", answer)
	s.out.kick()
	return nil
}

func (s *Session) verifyCertificate(certificate, token string) (*auth.Identity, *Error) {
	if s.cfg.Certificates != nil {
		if identity, err := s.cfg.Certificates.IdentityFromCertificate(s.ctx, certificate, token); err == nil {
			return identity, nil
		}
	}
	return nil, errRefused()
}

// openedLate answers the session.open of a peer whose key was proven already: it
// asks who it is taken for. A second one, or a token in it, ends the session.
func (s *Session) openedLate(env wire.Envelope) {
	req, err := parseOpen(env)
	switch {
	case s.opened.Load():
		err = Errorf(ProtocolError, "session.open came twice")
	case err != nil:
	case req.Token != nil:
		// Requests may be running under the key's identity: it does not change now.
		err = Errorf(ProtocolError, "session.open may carry a token only where the transport proves no key")
	default:
		err = s.open(req)
	}
	if err != nil {
		s.breach(errors.New(err.Message))
	}
}

func errOpenTimeout(after time.Duration) *Error {
	return Errorf(Timeout, "the session was not opened within %v", after)
}

// errOpenStopped says why ctx, which has ended, ended the opening of a session.
func errOpenStopped(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Errorf(Timeout, "the session was not opened before the deadline")
	}
	return Errorf(Aborted, "opening the session was stopped")
}

// firstFrame reads the one frame that opens a session, in time or not at all: late is
// called with the reason, and closes the link.
func (s *Session) firstFrame(ctx context.Context, late func(*Error)) (wire.Envelope, *Error) {
	limit := s.cfg.Limits.OpenTimeout
	if since := s.cfg.Established; !since.IsZero() {
		limit -= time.Since(since)
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	failed := func() *Error {
		if ctx.Err() != nil {
			return errOpenStopped(ctx)
		}
		return errOpenTimeout(s.cfg.Limits.OpenTimeout)
	}
	stop := context.AfterFunc(timed, func() { late(failed()) })
	body, err := s.reader.Next()
	if !stop() {
		return wire.Envelope{}, failed()
	}
	if err != nil {
		var malformed *wire.ProtocolError
		if errors.As(err, &malformed) {
			return wire.Envelope{}, Errorf(ProtocolError, "%w", err)
		}
		if told := closeReason(err); told != nil {
			return wire.Envelope{}, told
		}
		return wire.Envelope{}, Errorf(Unavailable, "the other node closed the connection before the session was open: %w", err)
	}
	env, err := wire.ParseEnvelope(body)
	if err != nil {
		return wire.Envelope{}, Errorf(ProtocolError, "%w", err)
	}
	return env, nil
}

// Open opens the dialling side of a session: it sends session.open, with a token
// where Config.Token makes one, and waits for the answer. The other side may send
// requests before that; they are answered where its key is proven. On an error the
// link is closed; UNAUTHENTICATED means that the other side refused the credential.
func Open(ctx context.Context, link Link, cfg Config) (*Session, error) {
	s := newSession(link, cfg)
	s.welcome = make(chan struct{})
	if err := s.sendOpen(); err != nil {
		s.fail(err, err.Error())
		return nil, err
	}
	if cfg.KeyProven {
		s.start()
		if err := s.awaitOpened(ctx); err != nil {
			s.fail(err, err.Error())
			<-s.done
			return nil, err
		}
		return s, nil
	}
	if err := s.firstOpened(ctx); err != nil {
		s.fail(err, err.Error())
		return nil, err
	}
	s.start()
	return s, nil
}

func (s *Session) sendOpen() *Error {
	req := openRequest{Agent: s.cfg.Agent}
	if s.cfg.Certificate != "" {
		req.Certificate = &s.cfg.Certificate
	}
	if s.cfg.Token != nil {
		token, err := s.cfg.Token()
		if err != nil {
			return Errorf(Unauthenticated, "make a token: %w", err)
		}
		req.Token = &token
	}
	payload, err := json.Marshal(req)
	if err != nil {
		return Errorf(Internal, "encode session.open: %w", err)
	}
	s.opened.Store(true)
	s.out.add(wire.Open, "", payload)
	s.out.flush()
	return nil
}

// awaitOpened waits until the reading goroutine has met session.opened.
func (s *Session) awaitOpened(ctx context.Context) *Error {
	late := time.NewTimer(s.cfg.Limits.OpenTimeout)
	defer late.Stop()
	select {
	case <-s.welcome:
		return nil
	case <-s.done:
		return s.unopened()
	case <-late.C:
		return errOpenTimeout(s.cfg.Limits.OpenTimeout)
	case <-ctx.Done():
		return errOpenStopped(ctx)
	}
}

// unopened says why a session ended that was not open yet: the other side's own
// error where it gave one.
func (s *Session) unopened() *Error {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	var told *Error
	if errors.As(err.Unwrap(), &told) {
		return told
	}
	return err
}

// firstOpened takes the answer of a peer that is not known before: it must come first.
func (s *Session) firstOpened(ctx context.Context) *Error {
	env, failed := s.firstFrame(ctx, func(err *Error) { _ = s.link.Close(err.Error()) })
	if failed != nil {
		return failed
	}
	switch env.Type {
	case wire.Failed:
		return parseError(env.Payload)
	case wire.Opened:
		return s.welcomed(env.Payload)
	}
	return Errorf(ProtocolError, "the other node answered session.open with %.40q", env.Type)
}

// welcomed takes a session.opened. Only the first one counts.
func (s *Session) welcomed(payload []byte) *Error {
	if s.welcome == nil || isClosed(s.welcome) {
		s.stats.dropped.Add(1)
		return nil
	}
	var answer openAnswer
	if err := strictjson.Unmarshal(payload, &answer); err != nil {
		return Errorf(ProtocolError, "session.opened is malformed: %w", err)
	}
	peer := &Peer{Node: answer.Node, Identity: answer.Identity, MaxFrame: answer.Limits.MaxFrame}
	if peer.MaxFrame <= 0 || peer.MaxFrame > wire.MaxMaxFrame {
		peer.MaxFrame = wire.DefaultMaxFrame
	}
	told := answer.Limits.withDefaults()
	s.mu.Lock()
	s.turns.maxFlight, s.turns.maxBytes = told.MaxInFlight, told.MaxQueued
	s.mu.Unlock()
	s.peer.Store(peer)
	close(s.welcome)
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
