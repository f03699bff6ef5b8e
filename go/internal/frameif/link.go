// Package frameif is the interface that turns a transport's connections into
// sessions of the call protocol: frames over the main stream, and over further
// streams where the transport has them.
//
// Accept and Dial open the two sides. Where the transport has proven the peer's
// key the identity comes from that key; elsewhere from the token in session.open.
package frameif

import (
	"context"
	"errors"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/transport"
)

// link is a transport connection as a session sees it.
type link struct{ transport.Conn }

// Close implements call.Link.
func (l link) Close(reason string) error { return l.CloseWithReason(reason) }

// CloseWrite implements call.HalfCloser, where the connection can.
func (l link) CloseWrite() error {
	if half, ok := l.Conn.(call.HalfCloser); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// KeepsAlive implements call.Link: QUIC has keep-alives of its own.
func (l link) KeepsAlive() bool { return l.Kind() == transport.KindQUIC }

// streamLink is a link whose transport has streams.
type streamLink struct {
	link
	streams transport.Streams
}

// OpenStream implements call.StreamLink.
func (l streamLink) OpenStream() (call.SendStream, error) { return l.streams.OpenStream() }

// AcceptStream implements call.StreamLink.
func (l streamLink) AcceptStream(ctx context.Context) (call.ReceiveStream, error) {
	return l.streams.AcceptStream(ctx)
}

// eagerLink is a link whose transport can write without blocking.
type eagerLink struct {
	link
	transport.EagerWriter
}

func linkOf(conn transport.Conn) call.Link {
	if streams, ok := conn.(transport.Streams); ok {
		return streamLink{link{conn}, streams}
	}
	if eager, ok := conn.(transport.EagerWriter); ok {
		return eagerLink{link{conn}, eager}
	}
	return link{conn}
}
