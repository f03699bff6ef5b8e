package alknet

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/alkdev/alknet/go/internal/call"
)

// Handler answers a query or a mutation. Its output is encoded with encoding/json; a
// json.RawMessage is sent as it is. An *[Error] reaches the caller; any other error is
// logged, and reaches the caller as [Internal] without its text. ctx ends when the caller
// aborts, its timeout passes or the session ends; what the handler returns after that is
// dropped.
type Handler func(ctx context.Context, req *Request) (output any, err error)

// StreamHandler sends the events of a subscription. send blocks while the caller has no
// room for another event, and fails once the request has ended. Returning ends the
// subscription, with an error as for [Handler].
type StreamHandler func(ctx context.Context, req *Request, send func(event any) error) error

// Request is what a handler answers.
type Request struct{ inner *call.Request }

// ID returns the caller's id of the request, for logs. It is unique among the requests of
// one session that are under way.
func (r *Request) ID() string { return r.inner.ID() }

// Operation returns the operation's name on this node.
func (r *Request) Operation() string { return r.inner.Operation() }

// Input returns the input's JSON text. It may be kept, not changed.
func (r *Request) Input() json.RawMessage { return r.inner.Input() }

// Decode stores the input in the value that v points to, as encoding/json does. Its error
// is an *[Error] with [InvalidInput], which a handler may return as it is.
func (r *Request) Decode(v any) error {
	if err := json.Unmarshal(r.inner.Input(), v); err != nil {
		return Errorf(InvalidInput, "decode the input: %w", err)
	}
	return nil
}

// Identity returns who is calling: the peer, the caller for whom a head forwards, or the
// handler that invokes this one. nil is an anonymous caller. It is not to be changed.
func (r *Request) Identity() *Identity { return r.inner.Identity() }

// Session returns the session that the request came on, for calling back; nil when a
// handler of this node makes it.
func (r *Request) Session() *Session { return sessionOf(r.inner.Session()) }

// Metadata returns a copy of the strings that the caller sent along; it may be nil.
func (r *Request) Metadata() map[string]string { return r.inner.Metadata() }

// Credential returns the credential with which this node signs in to a service. The
// handler's registration must list the service ([Credentials]). Its errors are for the
// node's owner: a handler that returns one answers [Internal].
func (r *Request) Credential(ctx context.Context, service string) (Credential, error) {
	return r.inner.Credentials(ctx, service)
}

// Invoke calls another operation for the handler and waits for its output. The operation
// may be of this node, of a sidecar, of a node that has joined this one
// ("/dev1/fs/read"), or of the head that this node has connected to; the handler cannot
// tell which.
//
// The handler's registration must list the operation ([Reach]), else the error is
// [NotFound]. The call is made under the handler's own identity ([WithAuthority]), never
// under its caller's. It ends with ctx and with the request, unless [ContinueRunning] is
// given.
func (r *Request) Invoke(ctx context.Context, operation string, input any, opts ...CallOption) (json.RawMessage, error) {
	namespace, name := split(operation)
	return r.inner.Invoke(ctx, namespace, name, input, opts...)
}

// InvokeStream subscribes to an operation as Invoke calls one.
func (r *Request) InvokeStream(ctx context.Context, operation string, input any, opts ...CallOption) (*Subscription, error) {
	namespace, name := split(operation)
	s, err := r.inner.InvokeStream(ctx, namespace, name, input, opts...)
	if err != nil {
		return nil, err
	}
	return &Subscription{s}, nil
}

func split(operation string) (namespace, name string) {
	at := strings.LastIndexByte(operation, '/')
	if at < 1 {
		return "", strings.TrimPrefix(operation, "/")
	}
	return operation[1:at], operation[at+1:]
}
