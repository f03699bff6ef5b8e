package engine

import (
	"context"
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/call"
)

type joinOptions struct {
	Timeout float64 `json:"timeout"` // ms
}

// join registers a connection with its head under a name, and leave takes the name
// back; both are answered by completed or error.
func (e *Environment) join(f *fields) {
	n, req, name, text := f.number(), f.number(), f.next(), f.next()
	if f.bad {
		return
	}
	var o joinOptions
	if len(text) > 0 {
		if err := json.Unmarshal(text, &o); err != nil {
			e.postError(kindError, req, call.Errorf(call.InvalidInput, "the options of join: %w", err))
			return
		}
	}
	e.membership(n, req, o.Timeout, func(ctx context.Context, ep *endpoint) error { return ep.client.Join(ctx, string(name)) })
}

func (e *Environment) leave(f *fields) {
	n, req := f.number(), f.number()
	if f.bad {
		return
	}
	e.membership(n, req, 0, func(ctx context.Context, ep *endpoint) error { return ep.client.Leave(ctx) })
}

// membership does what waits for the head, until the command A stops it.
func (e *Environment) membership(n, req int64, timeout float64, do func(context.Context, *endpoint) error) {
	ep := e.endpoint(n)
	if ep == nil || ep.client == nil {
		e.postError(kindError, req, call.Errorf(call.Unavailable, "the connection is closed"))
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(e.ctx, milliseconds(timeout))
	}
	e.mu.Lock()
	e.jobs[req] = cancel
	e.mu.Unlock()
	e.run(func() {
		err := error(call.Errorf(call.Internal, "the engine recovered from a defect of its own"))
		defer func() { // while a panic passes, too
			cancel()
			e.mu.Lock()
			delete(e.jobs, req)
			e.mu.Unlock()
			if err != nil {
				e.postError(kindError, req, err)
			} else {
				e.post(kindCompleted, req, emptyObject)
			}
		}()
		err = do(ctx, ep)
	})
}

// announce completes the registration of an operation once the head knows of it. One
// that the head refuses is withdrawn; one that it could not be told of is told when
// the connection is back.
func (e *Environment) announce(ep *endpoint, req int64, operation string) {
	e.run(func() {
		err := ep.client.Announced(e.ctx)
		if code := call.CodeOf(err); err == nil || code == call.Unavailable || code == call.Aborted {
			e.post(kindCompleted, req, emptyObject)
			return
		}
		ep.registry.Remove(operation)
		e.postError(kindError, req, err)
	})
}
