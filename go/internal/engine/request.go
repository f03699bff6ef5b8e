package engine

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/secret"
)

var emptyObject = []byte("{}")

// sink turns the answers to one request into completions.
type sink struct {
	env *Environment
	req int64
}

func (s sink) Responded(payload []byte) {
	s.end()
	s.env.queue.addRaw(kindResponded, s.req, payload)
}

func (s sink) Event(payload []byte) { s.env.queue.addRaw(kindEvent, s.req, payload) }

func (s sink) Completed() {
	s.end()
	s.env.queue.addRaw(kindCompleted, s.req, emptyObject)
}

func (s sink) Failed(err *call.Error) {
	s.end()
	s.env.queue.add(kindError, s.req, func(dst []byte) []byte { return appendSent(dst, err, call.Sent(err)) })
	s.env.queue.wake()
}

// appendSent appends the error object of a request's end, which says whether the request
// was sent.
func appendSent(dst []byte, err *call.Error, sent bool) []byte {
	dst = err.AppendJSON(dst)
	dst = append(dst[:len(dst)-1], `,"sent":`...)
	return append(strconv.AppendBool(dst, sent), '}')
}

func (s sink) end() {
	s.env.mu.Lock()
	delete(s.env.requests, s.req)
	s.env.mu.Unlock()
}

// requestOptions are the options of a request as JavaScript writes them.
type requestOptions struct {
	Timeout     float64           `json:"timeout"`     // ms
	Deadline    int64             `json:"deadline"`    // Unix ms
	IdleTimeout float64           `json:"idleTimeout"` // ms
	Window      int               `json:"window"`
	Metadata    map[string]string `json:"metadata"`
	AuthToken   string            `json:"authToken"`
	// ContinueRunning is of what a handler invokes.
	ContinueRunning bool `json:"continueRunning"`
}

func parseOptions(text []byte) (*call.Options, error) {
	var opts call.Options
	if len(text) == 0 {
		return &opts, nil
	}
	var raw requestOptions
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, call.Errorf(call.InvalidInput, "the options of the request: %w", err)
	}
	if raw.Deadline > 0 {
		opts.Deadline = time.UnixMilli(raw.Deadline)
	}
	if raw.Timeout > 0 {
		if t := time.Now().Add(milliseconds(raw.Timeout)); opts.Deadline.IsZero() || t.Before(opts.Deadline) {
			opts.Deadline = t
		}
	}
	opts.IdleTimeout = milliseconds(raw.IdleTimeout)
	opts.Window, opts.Metadata, opts.AuthToken, opts.ContinueRunning = raw.Window, raw.Metadata, raw.AuthToken, raw.ContinueRunning
	return &opts, nil
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// request starts a call or a subscription.
func (e *Environment) request(kind call.Kind, f *fields, touched map[*call.Session]struct{}) {
	target, req, operation, options, input := f.next(), f.number(), f.next(), f.next(), f.next()
	if f.bad {
		return
	}
	fail := func(err error) {
		e.queue.add(kindError, req, func(dst []byte) []byte { return appendSent(dst, AsError(err), false) })
	}
	to, err := e.target(target)
	if err != nil {
		fail(err)
		return
	}
	opts, err := parseOptions(options)
	if err != nil {
		fail(err)
		return
	}
	// The answer may come before Start returns: the request is known before that, and
	// entered only if it has not ended by then.
	s := &starting{sink: sink{e, req}}
	outgoing := to.Start(kind, string(operation), input, opts, s)
	s.started(outgoing)
	if session, ok := to.(*call.Session); ok {
		touched[session] = struct{}{}
	}
}

// starter is what a request can be made of: a session, or a request whose handler
// invokes another operation.
type starter interface {
	Start(kind call.Kind, operation string, input []byte, opts *call.Options, sink call.Sink) call.Outgoing
}

// starting is a sink that closes the gap between the start of a request and its
// entry in the environment's table.
type starting struct {
	sink
	ended bool // guarded by env.mu
}

func (s *starting) started(o call.Outgoing) {
	s.env.mu.Lock()
	defer s.env.mu.Unlock()
	if !s.ended {
		s.env.requests[s.req] = o
	}
}

func (s *starting) mark() {
	s.env.mu.Lock()
	s.ended = true
	s.env.mu.Unlock()
}

func (s *starting) Responded(payload []byte) { s.mark(); s.sink.Responded(payload) }
func (s *starting) Completed()               { s.mark(); s.sink.Completed() }
func (s *starting) Failed(err *call.Error)   { s.mark(); s.sink.Failed(err) }

// target finds what a command names: n<node>, s<session>, or i<incoming>, a request
// on behalf of whose handler another one is made.
func (e *Environment) target(text []byte) (starter, error) {
	if len(text) > 1 {
		n, err := strconv.ParseInt(string(text[1:]), 10, 64)
		switch {
		case err != nil:
		case text[0] == 's': // 0 is the handle of a session that has ended
			if s := e.sessions.get(n); s != nil {
				return s, nil
			}
			return nil, call.Errorf(call.Unavailable, "the session has ended")
		case text[0] == 'i':
			if r := e.incoming.get(n); r != nil {
				return r.Request, nil
			}
			return nil, call.Errorf(call.Aborted, "the request has ended: its handler can invoke nothing any more")
		case text[0] == 'n':
			ep := e.endpoint(n)
			if ep == nil || ep.client == nil {
				return nil, call.Errorf(call.Unavailable, "the connection is closed")
			}
			s, err := ep.client.Session()
			if err != nil {
				return nil, err
			}
			return s.Session, nil
		}
	}
	return nil, call.Errorf(call.Internal, "the request names no target")
}

// AsError gives any error the shape that JavaScript expects.
func AsError(err error) *call.Error {
	if e, ok := err.(*call.Error); ok {
		return e
	}
	var refusal *secret.Error
	if errors.As(err, &refusal) {
		return &call.Error{Code: call.Code(refusal.Code), Message: refusal.Message}
	}
	var kept *credential.Error
	if errors.As(err, &kept) {
		return &call.Error{Code: call.Code(kept.Code), Message: kept.Message, Retryable: kept.Code == credential.Unavailable}
	}
	return call.Errorf(call.CodeOf(err), "%w", err)
}
