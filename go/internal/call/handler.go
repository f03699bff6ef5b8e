package call

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
)

// Handler answers a query or a mutation. Its output is encoded with encoding/json;
// a json.RawMessage goes out as it is. An *Error reaches the caller; any other
// error is logged here and reaches the caller as INTERNAL without its text. ctx
// ends when the caller aborts, the deadline passes or the session ends; a result
// that comes after that is dropped.
type Handler func(ctx context.Context, req *Request) (output any, err error)

// StreamHandler produces a subscription's events with send, which blocks while the
// caller has no room and fails once the request has ended. Returning ends the
// subscription, well or with an error as for Handler.
type StreamHandler func(ctx context.Context, req *Request, send func(event any) error) error

// AsyncHandler takes a request and returns at once; see Registry.HandleAsync.
type AsyncHandler func(req *Request)

// handler is what the registry stores: one of the three kinds above.
type handler interface {
	// serve answers req. An immediate handler returns at once and may be run by the
	// goroutine that reads the session.
	serve(req *Request)
	immediate() bool
}

type (
	callHandler   Handler
	streamHandler StreamHandler
)

func (h callHandler) immediate() bool   { return false }
func (h streamHandler) immediate() bool { return false }
func (h AsyncHandler) immediate() bool  { return true }

func (h AsyncHandler) serve(req *Request) {
	defer req.recover()
	h(req)
}

func (h callHandler) serve(req *Request) {
	defer req.recover()
	output, err := h(req.Context(), req)
	if err != nil {
		req.Fail(err)
		return
	}
	raw, err := encode(output)
	if err != nil {
		req.Fail(fmt.Errorf("encode the output: %w", err))
		return
	}
	_ = req.Respond(raw) // dropped and counted when the request has ended meanwhile
}

func (h streamHandler) serve(req *Request) {
	defer req.recover()
	err := h(req.Context(), req, func(event any) error {
		raw, err := encode(event)
		if err != nil {
			return fmt.Errorf("encode an event: %w", err)
		}
		return req.Send(raw)
	})
	if err != nil {
		req.Fail(err)
		return
	}
	_ = req.Complete()
}

// recover turns a handler's panic into INTERNAL for its caller: one broken handler
// must not end the process that it lives in.
func (r *Request) recover() {
	if p := recover(); p != nil {
		r.logger().Error("handler panicked", "operation", r.Operation(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		r.Fail(Errorf(Internal, "the operation failed; its node has logged why"))
	}
}

func encode(value any) (json.RawMessage, error) {
	switch v := value.(type) {
	case nil:
		return json.RawMessage("null"), nil
	case json.RawMessage:
		if len(v) == 0 {
			return json.RawMessage("null"), nil
		}
		return v, nil
	}
	return json.Marshal(value)
}
