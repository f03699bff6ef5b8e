package alknet

import (
	"context"
	"encoding/json"
	"net"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// Session is an authenticated conversation with a peer. Both sides may call. A session
// has one *Session for all its life.
type Session struct {
	inner *call.Session
	peer  *node.Session // what the transport proved
}

// sessionOf returns the *Session of inner; nil for nil.
func sessionOf(inner *call.Session) *Session {
	if inner == nil {
		return nil
	}
	peer := inner.Owner().(*node.Session)
	return peer.Attachment(func() any { return &Session{inner, peer} }).(*Session)
}

// Identity returns who the peer is, or nil for an anonymous one. It is not to be changed.
func (s *Session) Identity() *Identity { return s.inner.Identity() }

// EndpointID returns the peer's endpoint id: as its transport proved it, else as the peer
// stated it, else "".
func (s *Session) EndpointID() string {
	return s.peer.EndpointIDOf(s.inner)
}

// Transport returns "quic", "tls", "tcp" or "unix".
func (s *Session) Transport() string { return s.peer.Transport }

// RemoteAddr returns the peer's network address.
func (s *Session) RemoteAddr() net.Addr { return s.peer.Remote }

// Call is [Conn.Call] on this session.
func (s *Session) Call(ctx context.Context, operation string, input any, opts ...CallOption) (json.RawMessage, error) {
	return s.inner.Call(ctx, operation, input, opts...)
}

// Subscribe is [Conn.Subscribe] on this session.
func (s *Session) Subscribe(ctx context.Context, operation string, input any, opts ...CallOption) (*Subscription, error) {
	sub, err := s.inner.Subscribe(ctx, operation, input, opts...)
	if err != nil {
		return nil, err
	}
	return &Subscription{sub}, nil
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.inner.Done() }

// Close ends the session; what is under way on it fails with [Unavailable]. It always
// returns nil.
func (s *Session) Close() error {
	s.inner.Close("closed by the application")
	return nil
}
