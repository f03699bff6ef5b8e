package alknet

import (
	"context"
	"encoding/json"
	"io"
	"iter"
)

// Handle registers a query whose input and output are Go types. Their JSON Schemas are made
// from the types: fields with omitempty or omitzero are optional, pointers and slices may be
// null, other members are refused. A type that has no schema fails here with its path; give
// [InputSchema] or [OutputSchema] then. [Mutation] makes the operation a mutation.
func Handle[In, Out any](n *Node, name string, h func(ctx context.Context, input In) (Out, error), opts ...HandlerOption) error {
	if h == nil {
		return errNoHandler
	}
	spec, err := typedSpec[In, Out](name, "", opts)
	if err != nil {
		return err
	}
	return n.Handle(spec, func(ctx context.Context, req *Request) (any, error) {
		var input In
		if err := req.Decode(&input); err != nil {
			return nil, err
		}
		return h(withRequest(ctx, req), input)
	}, opts...)
}

// HandleStream registers a subscription whose input and events are Go types, as [Handle]
// does for the other types.
func HandleStream[In, Event any](n *Node, name string, h func(ctx context.Context, input In, send func(Event) error) error, opts ...HandlerOption) error {
	if h == nil {
		return errNoHandler
	}
	spec, err := typedSpec[In, Event](name, TypeSubscription, opts)
	if err != nil {
		return err
	}
	return n.HandleStream(spec, func(ctx context.Context, req *Request, send func(any) error) error {
		var input In
		if err := req.Decode(&input); err != nil {
			return err
		}
		return h(withRequest(ctx, req), input, func(event Event) error { return send(event) })
	}, opts...)
}

// Call calls an operation and decodes its output. An output that does not fit Out is
// [Internal]: the peer does not keep to the contract.
func Call[Out any](ctx context.Context, c Caller, operation string, input any, opts ...CallOption) (Out, error) {
	raw, err := c.Call(ctx, operation, input, opts...)
	return decode[Out](raw, operation, err)
}

// Invoke is [Request.Invoke] with a decoded output. In a handler of [Handle] the request is
// RequestOf(ctx).
func Invoke[Out any](ctx context.Context, req *Request, operation string, input any, opts ...CallOption) (Out, error) {
	raw, err := req.Invoke(ctx, operation, input, opts...)
	return decode[Out](raw, operation, err)
}

// Subscribe starts a subscription and yields its decoded events. An error is yielded once,
// as the last pair. Leaving the loop stops the subscription on both sides.
func Subscribe[Event any](ctx context.Context, c Caller, operation string, input any, opts ...CallOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s, err := c.Subscribe(ctx, operation, input, opts...)
		if err != nil {
			var zero Event
			yield(zero, err)
			return
		}
		defer s.Close()
		for {
			raw, err := s.Next(ctx)
			if err == io.EOF {
				return
			}
			event, err := decode[Event](raw, operation, err)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func decode[T any](raw json.RawMessage, operation string, err error) (T, error) {
	var value T
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		var zero T
		return zero, Errorf(Internal, "decode the output of %s: %w", operation, err)
	}
	return value, nil
}

// Operation is an operation's name and types, for a package that both sides share.
type Operation[In, Out any] struct {
	// Name is /namespace/operation.
	Name string
}

// Handle is [Handle] for this operation.
func (o Operation[In, Out]) Handle(n *Node, h func(ctx context.Context, input In) (Out, error), opts ...HandlerOption) error {
	return Handle(n, o.Name, h, opts...)
}

// Call is [Call] for this operation.
func (o Operation[In, Out]) Call(ctx context.Context, c Caller, input In, opts ...CallOption) (Out, error) {
	return Call[Out](ctx, c, o.Name, input, opts...)
}

// Invoke is [Invoke] for this operation.
func (o Operation[In, Out]) Invoke(ctx context.Context, req *Request, input In, opts ...CallOption) (Out, error) {
	return Invoke[Out](ctx, req, o.Name, input, opts...)
}

// Stream is a subscription's name and types, for a package that both sides share.
type Stream[In, Event any] struct {
	// Name is /namespace/operation.
	Name string
}

// Handle is [HandleStream] for this subscription.
func (o Stream[In, Event]) Handle(n *Node, h func(ctx context.Context, input In, send func(Event) error) error, opts ...HandlerOption) error {
	return HandleStream(n, o.Name, h, opts...)
}

// Subscribe is [Subscribe] for this subscription.
func (o Stream[In, Event]) Subscribe(ctx context.Context, c Caller, input In, opts ...CallOption) iter.Seq2[Event, error] {
	return Subscribe[Event](ctx, c, o.Name, input, opts...)
}

type requestKey struct{}

func withRequest(ctx context.Context, req *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, req)
}

// RequestOf returns the request that a handler of [Handle] or [HandleStream] answers, from
// the handler's ctx; nil for any other context.
func RequestOf(ctx context.Context) *Request {
	req, _ := ctx.Value(requestKey{}).(*Request)
	return req
}
