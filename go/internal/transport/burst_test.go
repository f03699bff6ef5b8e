package transport

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Connections whose handshakes are done at the same moment are all taken: quic-go would
// refuse those that find 32 others waiting to be accepted.
func TestManyHandshakesAtOnce(t *testing.T) {
	const many = 100
	ctx := context.Background()
	var arrived sync.WaitGroup
	arrived.Add(many)
	signer := &together{PrivateKey: newKey(t)}
	ln, err := Listen(ctx, "quic://127.0.0.1:0", ListenConfig{Signer: signer, HandshakeTimeout: time.Minute})
	must(t, err)
	signer.arrived.Store(&arrived)
	address, key := ln.Address(), newKey(t)
	conns := make(chan Conn, many)
	var dialling sync.WaitGroup
	for range many {
		dialling.Go(func() {
			conn, err := Dial(ctx, address, DialConfig{Signer: key, Insecure: true, Timeout: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			conns <- conn
		})
	}
	dialling.Wait()
	close(conns)
	for conn := range conns {
		_ = conn.Close()
	}
	must(t, ln.Close())
}

// together is a signer whose signatures for handshakes all wait for the last one.
type together struct {
	ed25519.PrivateKey
	arrived atomic.Pointer[sync.WaitGroup]
}

func (s *together) Sign(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if arrived := s.arrived.Load(); arrived != nil {
		arrived.Done()
		arrived.Wait()
	}
	return s.PrivateKey.Sign(random, message, opts)
}
