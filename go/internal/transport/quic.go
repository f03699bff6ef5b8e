package transport

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	keepAlive   = 10 * time.Second
	idleTimeout = 30 * time.Second // a peer that says nothing for so long is gone
	closedCode  = 0                // application error code of every close
)

// strangerWindow is what a client may send before anything of it is read. The windows grow
// as its session reads.
const strangerWindow = 64 << 10

// serverQUICConfig lets a stranger send little: what it has sent waits in memory until it
// has signed in. The window of the connection alone is small: with small ones for its
// streams every later stream would start slowly.
func serverQUICConfig(maxStreams int, handshake time.Duration) *quic.Config {
	config := clientQUICConfig(maxStreams, handshake)
	config.InitialConnectionReceiveWindow = strangerWindow
	return config
}

// clientQUICConfig is for connections to a node that has proven its key.
func clientQUICConfig(maxStreams int, handshake time.Duration) *quic.Config {
	return &quic.Config{
		Versions:                       []quic.Version{quic.Version1},
		HandshakeIdleTimeout:           handshake,
		MaxIdleTimeout:                 idleTimeout,
		KeepAlivePeriod:                keepAlive,
		InitialStreamReceiveWindow:     1 << 20,
		MaxStreamReceiveWindow:         16 << 20,
		InitialConnectionReceiveWindow: 2 << 20,
		MaxConnectionReceiveWindow:     32 << 20,
		MaxIncomingStreams:             1, // the main stream
		MaxIncomingUniStreams:          int64(maxStreams),
	}
}

// resetKey makes the key of stateless resets (RFC 9000, section 10.3) from the
// node's key, so that a node that was killed and started again tells its old peers
// at once that their connections are gone.
func resetKey(signer crypto.Signer) (*quic.StatelessResetKey, error) {
	const label = "alknet quic stateless reset v1"
	signature, err := signer.Sign(nil, []byte(label), crypto.Hash(0))
	if err != nil {
		return nil, err
	}
	raw, err := hkdf.Key(sha256.New, signature, nil, label, len(quic.StatelessResetKey{}))
	if err != nil {
		return nil, err
	}
	key := quic.StatelessResetKey(raw)
	return &key, nil
}

// quicConn is a Conn over QUIC: the client's first stream is the main one.
type quicConn struct {
	conn      *quic.Conn
	main      *quic.Stream
	key       ed25519.PublicKey
	presented ed25519.PublicKey
	remote    net.Addr
	pass      Pass            // of a listening side; nil for a dialling one
	transport *quic.Transport // of a dialling side: closed with the connection
	socket    net.PacketConn
	closing   sync.Once
	since     time.Time // when the handshake was over
}

// SignedIn implements Conn.
func (c *quicConn) SignedIn() {
	if c.pass != nil {
		c.pass.SignedIn()
	}
}

func (c *quicConn) Kind() string               { return KindQUIC }
func (c *quicConn) PeerKey() ed25519.PublicKey { return c.key }
func (c *quicConn) LocalAddr() net.Addr        { return c.conn.LocalAddr() }
func (c *quicConn) RemoteAddr() net.Addr       { return c.remote }
func (c *quicConn) Established() time.Time     { return c.since }
func (c *quicConn) Close() error               { return c.CloseWithReason("") }

// maxReason keeps a close frame within one packet.
const maxReason = 512

func (c *quicConn) CloseWithReason(reason string) error {
	var err error
	c.closing.Do(func() {
		if len(reason) > maxReason {
			reason = reason[:maxReason]
		}
		err = c.conn.CloseWithError(closedCode, reason)
		c.release()
	})
	return err
}

// release frees the socket of a dialling side.
func (c *quicConn) release() {
	if c.transport != nil {
		_ = c.transport.Close()
		_ = c.socket.Close()
	}
}

func (c *quicConn) Read(p []byte) (int, error) {
	n, err := c.main.Read(p)
	return n, c.translate(err)
}

func (c *quicConn) Write(p []byte) (int, error) {
	n, err := c.main.Write(p)
	return n, c.translate(err)
}

// translate gives an orderly close the error of a byte stream's end.
func (c *quicConn) translate(err error) error {
	var closed *quic.ApplicationError
	if errors.As(err, &closed) && closed.Remote {
		return &RemoteClosedError{Reason: closed.ErrorMessage}
	}
	return refusal(err, c.presented)
}

// RemoteClosedError says that the other side has closed the connection, and why
// where it said so.
type RemoteClosedError struct{ Reason string }

// Error returns the reason.
func (e *RemoteClosedError) Error() string {
	if e.Reason == "" {
		return "the other node has closed the connection"
	}
	return "the other node has closed the connection: " + e.Reason
}

// CloseReason returns the reason as the other side gave it.
func (e *RemoteClosedError) CloseReason() string { return e.Reason }

func (c *quicConn) OpenStream() (SendStream, error) {
	s, err := c.conn.OpenUniStream()
	if err != nil {
		return nil, c.translate(err)
	}
	return sendStream{s}, nil
}

func (c *quicConn) AcceptStream(ctx context.Context) (ReceiveStream, error) {
	s, err := c.conn.AcceptUniStream(ctx)
	if err != nil {
		return nil, c.translate(err)
	}
	return receiveStream{s}, nil
}

type sendStream struct{ *quic.SendStream }

func (s sendStream) Cancel() { s.CancelWrite(closedCode) }

type receiveStream struct{ *quic.ReceiveStream }

func (s receiveStream) Cancel() { s.CancelRead(closedCode) }
