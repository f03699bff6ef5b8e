package call

import (
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Observer is told of the requests that a registry answers, those included that
// handlers make of each other and that are passed on to other nodes: for metrics,
// traces and records of who did what. Its methods run on the way of the request and
// must not block.
type Observer interface {
	// Began is told of a request before its access and input are checked.
	Began(r *Request)
	// Ended is told once how a request ended that Began was told of; err is nil where
	// it ended well.
	Ended(r *Request, err *Error)
	// Refused is told of a request of the other side that never became one: there is
	// no such operation, or the session has too many.
	Refused(s *Session, err *Error)
}

// SetObserver has o told of every request from now on. It is called once, before the
// first request.
func (r *Registry) SetObserver(o Observer) { r.observer.Store(&o) }

// observation is what a request keeps for its observer.
type observation struct {
	began   time.Duration // since clock; 0 is not observed
	outcome *Error        // how the handler ended it
	value   any
}

// clock is what durations are measured from: reading it costs less than time.Now
// with its wall time.
var clock = time.Now()

// observe tells the observer of the beginning.
func (r *Request) observe() {
	if o := r.registry.observer.Load(); o != nil {
		r.observed.began = max(time.Since(clock), 1)
		(*o).Began(r)
	}
}

// observeEnd tells the observer of the end. It is called once.
func (r *Request) observeEnd(cause *Error) {
	if r.observed.began == 0 {
		return
	}
	if cause == nil {
		cause = r.observed.outcome
	}
	(*r.registry.observer.Load()).Ended(r, cause)
}

// Elapsed returns how long ago the request began, 0 where nobody observes it.
func (r *Request) Elapsed() time.Duration {
	if r.observed.began == 0 {
		return 0
	}
	return time.Since(clock) - r.observed.began
}

// Remote reports whether the request is passed on to another node.
func (r *Request) Remote() bool {
	h, ok := r.op.handler.(AsyncHandler)
	return ok && h == nil
}

// SetObservation keeps a value with the request, for Ended to find with Observation.
// Only the observer calls it, in Began.
func (r *Request) SetObservation(value any) { r.observed.value = value }

// Observation returns what SetObservation has kept, or nil.
func (r *Request) Observation() any { return r.observed.value }

// MetadataValue returns one value of what the caller sent along, or "".
func (r *Request) MetadataValue(key string) string {
	if r.params.metadata == nil {
		return ""
	}
	return textMap(r.params.metadata)[key]
}

// SetMetadataValue changes one value of what the caller sent along, for the handler
// and for whatever the request is passed on to. Only the observer calls it, in Began.
func (r *Request) SetMetadataValue(key, value string) {
	m := textMap(r.params.metadata)
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	r.params.metadata = appendTextMap(nil, m)
}

// passedOn gives the outcome of a request whose end is passed on as it came.
func passedOn(typ string, payload []byte) *Error {
	switch typ {
	case wire.Failed:
	case wire.Aborted:
		return &Error{Code: Aborted}
	default:
		return nil
	}
	return &Error{Code: parseError(payload).Code}
}
