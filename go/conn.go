package alknet

import (
	"context"
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/node"
)

// Caller sends requests: a *[Conn] or a *[Session].
type Caller interface {
	// Call sends a request and waits for its output, a JSON text.
	Call(ctx context.Context, operation string, input any, opts ...CallOption) (json.RawMessage, error)
	// Subscribe starts a subscription.
	Subscribe(ctx context.Context, operation string, input any, opts ...CallOption) (*Subscription, error)
}

// Conn is a connection that a node has dialled. It reconnects by itself; what was under
// way when the session was lost fails with [Unavailable] and is not sent again.
type Conn struct{ client *node.Client }

// Call sends a request on the present session and waits for its output, a JSON text that
// the caller owns. input is encoded with encoding/json; a json.RawMessage is sent as it
// is. When ctx ends, the request is aborted at the peer too. The error is an *[Error].
func (c *Conn) Call(ctx context.Context, operation string, input any, opts ...CallOption) (json.RawMessage, error) {
	return c.client.Call(ctx, operation, input, opts...)
}

// Subscribe starts a subscription on the present session. The peer may be at most
// [Window] events ahead of the reader. The error is an *[Error].
func (c *Conn) Subscribe(ctx context.Context, operation string, input any, opts ...CallOption) (*Subscription, error) {
	s, err := c.client.Subscribe(ctx, operation, input, opts...)
	if err != nil {
		return nil, err
	}
	return &Subscription{s}, nil
}

// Join registers the node's operations with the head under a name, so that the head's
// callers reach them as /name/namespace/operation. The registration follows the node's
// operations and is made again after each reconnect. The address must pin the head's key,
// over QUIC or TLS, and the node's key needs the scope node:register or
// node:register:name there.
func (c *Conn) Join(ctx context.Context, name string) error { return c.client.Join(ctx, name) }

// Leave withdraws the name; the connection stays open. It does nothing when the node has
// not joined.
func (c *Conn) Leave(ctx context.Context) error { return c.client.Leave(ctx) }

// Session returns the present session, or nil while there is none.
func (c *Conn) Session() *Session {
	s, err := c.client.Session()
	if err != nil {
		return nil
	}
	return sessionOf(s.Session)
}

// Done is closed when the connection has ended: after Close, after a refusal that
// reconnecting cannot change, or, with [WithoutReconnect], with its session.
func (c *Conn) Done() <-chan struct{} { return c.client.Done() }

// Close ends the connection at once; what is under way fails with [Unavailable]. It
// returns when nothing of the connection runs any more. It always returns nil.
func (c *Conn) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return c.Shutdown(ctx)
}

// Shutdown ends the connection as Close does, after letting the peer's running requests
// finish until ctx ends.
func (c *Conn) Shutdown(ctx context.Context) error {
	c.client.Close(ctx)
	return nil
}
