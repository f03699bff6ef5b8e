package transport

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// counter is a Gate with room for limit connections at once; each release that comes
// is one that was owed.
type counter struct {
	t     *testing.T
	limit int

	mu     sync.Mutex
	inside int
	turned int
	empty  chan struct{} // gets a token when inside becomes 0
}

func (c *counter) Admit(net.Addr) (func(), bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside >= c.limit {
		c.turned++
		return nil, false
	}
	c.inside++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.inside--; c.inside < 0 {
			c.t.Error("released twice")
		}
		if c.inside == 0 {
			c.empty <- struct{}{}
		}
	}, true
}

func (c *counter) Suspicious(net.Addr) bool { return true } // every QUIC client shows its address first

func TestGate(t *testing.T) {
	for _, scheme := range []string{"quic", "tls", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			gate := &counter{t: t, limit: 2, empty: make(chan struct{}, 16)}
			good := newKey(t)
			h := listen(t, scheme+"://127.0.0.1:0", func(c *ListenConfig) {
				c.Gate = gate
				c.VerifyPeer = verifyOnly(publicOf(good))
			})
			address := h.Address()
			if scheme != "tcp" {
				address.Peer = publicOf(h.key)
				// A handshake that fails is over.
				if conn, err := Dial(context.Background(), address, DialConfig{Signer: newKey(t)}); err == nil {
					_, _ = io.ReadAll(conn)
					_ = conn.Close()
				}
				<-gate.empty
			}
			first, second := dial(t, address, DialConfig{Signer: good}), dial(t, address, DialConfig{Signer: good})
			echoed(t, first, "a")
			echoed(t, second, "b")
			if conn, err := Dial(context.Background(), address, DialConfig{Signer: good}); err == nil {
				if _, err := conn.Read(make([]byte, 1)); err == nil {
					t.Error("the third one was let in")
				}
				_ = conn.Close()
			}
			must(t, first.Close())
			must(t, second.Close())
			<-gate.empty
			third := dial(t, address, DialConfig{Signer: good})
			echoed(t, third, "there is room again")
			must(t, third.Close())
			<-gate.empty
			gate.mu.Lock()
			defer gate.mu.Unlock()
			if gate.turned == 0 {
				t.Error("nobody was turned away")
			}
		})
	}
}

func TestStop(t *testing.T) {
	for _, scheme := range []string{"quic", "tls", "tcp", "unix"} {
		t.Run(scheme, func(t *testing.T) {
			address := scheme + "://127.0.0.1:0"
			if scheme == "unix" {
				address = "unix://" + t.TempDir() + "/s"
			}
			h := listen(t, address, nil)
			to := h.Address()
			if scheme != "unix" && scheme != "tcp" {
				to.Peer = publicOf(h.key)
			}
			conn := dial(t, to, DialConfig{Signer: newKey(t)})
			echoed(t, conn, "before")
			h.Stop()
			h.Stop()
			echoed(t, conn, "after")
			if late, err := Dial(context.Background(), to, DialConfig{Signer: newKey(t)}); err == nil {
				_ = late.Close()
				t.Error("a connection was taken after Stop")
			}
			echoed(t, conn, "still")
		})
	}
}

func verifyOnly(good ed25519.PublicKey) func(context.Context, ed25519.PublicKey, net.Addr) error {
	return func(_ context.Context, key ed25519.PublicKey, _ net.Addr) error {
		if !key.Equal(good) {
			return errors.New("no")
		}
		return nil
	}
}
