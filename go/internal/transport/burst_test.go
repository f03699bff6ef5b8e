package transport

import (
	"context"
	"crypto/ed25519"
	"net"
	"sync"
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
	ln, err := Listen(ctx, "quic://127.0.0.1:0", ListenConfig{Signer: newKey(t), HandshakeTimeout: time.Minute, VerifyPeer: func(context.Context, ed25519.PublicKey, net.Addr) error {
		arrived.Done()
		arrived.Wait() // the last one lets all of them go
		return nil
	}})
	must(t, err)
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
