package transport

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// ALPN is the protocol name that both sides of QUIC and TLS offer (RFC 7301).
const ALPN = "alknet/1"

// alpnKey is offered besides ALPN by clients that pin the node's key: a node that has
// a CA's certificate too shows them its own. It is never chosen.
const alpnKey = "alknet-key/1"

// The kinds of connections.
const (
	KindQUIC = "quic"
	KindTLS  = "tls"
	KindTCP  = "tcp"
	KindUnix = "unix"
)

// Conn is one connection to another node; Read and Write use its main stream and
// may run at the same time. Close unblocks both and is idempotent.
type Conn interface {
	io.ReadWriteCloser
	// PeerKey returns the key that the other side has proven to hold; nil where the
	// transport carries no key, or the other side presented none.
	PeerKey() ed25519.PublicKey
	// Kind is KindQUIC, KindTLS, KindTCP or KindUnix.
	Kind() string
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	// Established is when the first byte of a session could come: after the handshake,
	// where there is one.
	Established() time.Time
	// CloseWithReason is Close that tells the other side why where the transport can
	// (QUIC: RFC 9000, section 10.2).
	CloseWithReason(reason string) error
	// SignedIn tells the listener's gate that the peer has signed in. It does nothing on a
	// dialling side.
	SignedIn()
}

// Streams is what a Conn has besides where the transport has streams: one-way
// streams beside the main one.
type Streams interface {
	// OpenStream opens a stream without blocking; it fails while the other side
	// allows no more.
	OpenStream() (SendStream, error)
	// AcceptStream waits for a stream of the other side.
	AcceptStream(ctx context.Context) (ReceiveStream, error)
}

// SendStream is the writing end of a one-way stream. Close ends it in order; Cancel
// abandons what was not delivered.
type SendStream interface {
	io.WriteCloser
	Cancel()
}

// ReceiveStream is the reading end of a one-way stream; Cancel tells the other side
// to stop.
type ReceiveStream interface {
	io.Reader
	Cancel()
}

// EagerWriter is what a Conn has besides where small writes need not block.
type EagerWriter interface {
	// TryWrite writes all of p, at most EagerSize bytes, without blocking: what the
	// socket does not take follows in the background, before any later write. ok is
	// false, and nothing was written, where only a Write that may block can do it.
	// It counts as a Write: the two may not run at the same time.
	TryWrite(p []byte) (ok bool, err error)
}

// EagerSize is the largest TryWrite, in bytes.
const EagerSize = 64 << 10

// byteConn is a Conn over one ordered byte stream.
type byteConn struct {
	net.Conn
	socket    net.Conn   // at the bottom
	eager     *eagerConn // the socket below Conn; nil where it has no such thing
	kind      string
	key       ed25519.PublicKey
	presented ed25519.PublicKey // the key that we showed, for RefusedError
	pass      Pass              // of a listening side; nil for a dialling one
	since     time.Time         // when it was established
}

// SignedIn implements Conn.
func (c *byteConn) SignedIn() {
	if c.pass != nil {
		c.pass.SignedIn()
	}
}

func (c *byteConn) Kind() string                 { return c.kind }
func (c *byteConn) PeerKey() ed25519.PublicKey   { return c.key }
func (c *byteConn) CloseWithReason(string) error { return c.Close() }
func (c *byteConn) Established() time.Time       { return c.since }

// CloseWrite ends the writing side, after what a TryWrite has left to the background.
// It may block until Close.
func (c *byteConn) CloseWrite() error {
	half, ok := c.socket.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if secure, ok := c.Conn.(*tls.Conn); ok {
		_ = secure.CloseWrite() // the alert; without it the end of the stream says the same
	}
	if c.eager != nil {
		c.eager.settle()
	}
	return half.CloseWrite()
}

// Close closes the socket at once: TLS's own Close would wait for a peer that does
// not read, to send an alert. Nothing here relies on it: frames have a length, and a
// session says goodbye by itself.
func (c *byteConn) Close() error {
	if c.pass != nil {
		defer c.pass.Release()
	}
	if err := c.socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (c *byteConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF // the alert is missing, see Close
	}
	return n, refusal(err, c.presented)
}

// newByteConn makes a Conn of a socket.
func newByteConn(socket net.Conn, kind string) *byteConn {
	c := &byteConn{Conn: socket, socket: socket, kind: kind, since: time.Now()}
	if c.eager = newEagerConn(socket); c.eager != nil {
		c.Conn = c.eager
	}
	return c
}

// secured is c with TLS over it, after the handshake.
func (c *byteConn) secured(conn *tls.Conn, presented ed25519.PublicKey) *byteConn {
	c.since = time.Now()
	c.Conn, c.presented, c.key = conn, presented, keyOf(conn.ConnectionState().PeerCertificates)
	return c
}

// TryWrite implements EagerWriter.
func (c *byteConn) TryWrite(p []byte) (bool, error) {
	if c.eager == nil || len(p) > EagerSize || !c.eager.begin() {
		return false, nil
	}
	defer c.eager.end()
	_, err := c.Write(p)
	return true, err
}

func (c *byteConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, refusal(err, c.presented)
}
