package transport

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/quic-go/quic-go"

	"context"
	"github.com/alkdev/alknet/go/internal/principal"
	"net"
	"sync"
	"testing"
)

// counter is a Gate with room for limit connections at once.
type counter struct {
	t     *testing.T
	limit int

	mu       sync.Mutex
	inside   int
	turned   int
	unproven int
	empty    chan struct{} // gets a token when inside becomes 0
}

func (c *counter) Admit(_ net.Addr, _ func()) (Pass, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside >= c.limit {
		c.turned++
		return nil, false
	}
	c.inside++
	return &counted{counter: c}, true
}

func (c *counter) Unproven(net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unproven++
}

// counted is a connection that the counter has let in.
type counted struct {
	counter *counter
	once    sync.Once
}

func (*counted) SignedIn() {}

func (p *counted) Release() {
	p.once.Do(func() {
		c := p.counter
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.inside--; c.inside == 0 {
			c.empty <- struct{}{}
		}
	})
}

func (c *counter) Suspicious(net.Addr) bool { return true } // every QUIC client shows its address first

func TestGate(t *testing.T) {
	for _, scheme := range []string{"quic", "tls", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			gate := &counter{t: t, limit: 2, empty: make(chan struct{}, 16)}
			good := newKey(t)
			h := listen(t, scheme+"://127.0.0.1:0", func(c *ListenConfig) {
				c.Gate = gate
			})
			address := h.Address()
			if scheme != "tcp" {
				address.Peer = publicOf(h.key)
				// A handshake that fails is over.
				wrong := address
				wrong.Peer = publicOf(newKey(t))
				if conn, err := Dial(context.Background(), wrong, DialConfig{Signer: newKey(t)}); err == nil {
					_ = conn.Close()
					t.Error("a wrong pin was accepted")
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

// impostor is a certificate of key, used by somebody who has not got key.
func impostor(t *testing.T, key ed25519.PrivateKey) *tls.Config {
	t.Helper()
	certificate, _, err := selfSigned(key)
	must(t, err)
	certificate.PrivateKey = newKey(t)
	config := baseTLS("")
	config.InsecureSkipVerify = true
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	return config
}

// A key that is shown and not proven is a refused credential, whoever's it is.
func TestUnprovenKey(t *testing.T) {
	for _, scheme := range []string{"tls", "quic"} {
		gate := &counter{t: t, limit: 8, empty: make(chan struct{}, 16)}
		h := listen(t, scheme+"://127.0.0.1:0", func(c *ListenConfig) { c.Gate = gate })
		var answers []string
		for range 2 {
			config := impostor(t, newKey(t))
			if scheme == "tls" {
				conn, err := tls.Dial("tcp", h.Address().hostPort(), config)
				must(t, err) // the client's handshake is over before the server has judged it
				_, err = conn.Read(make([]byte, 1))
				answers = append(answers, err.Error())
				_ = conn.Close()
			} else {
				conn, err := quic.DialAddr(context.Background(), h.Address().hostPort(), config, nil)
				if err == nil {
					<-conn.Context().Done()
					err = context.Cause(conn.Context())
				}
				answers = append(answers, err.Error())
			}
			<-gate.empty
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: answers %q", scheme, answers)
		}
		gate.mu.Lock()
		if gate.unproven != 2 {
			t.Errorf("%s: %d of 2 attempts were counted", scheme, gate.unproven)
		}
		gate.mu.Unlock()
	}
}

// An alert during the handshake is nobody's refusal: anybody on the path can send it.
func TestForgedAlert(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 42}) // fatal, bad_certificate
			_ = conn.Close()
		}
	}()
	a, err := ParseAddress("tls://" + principal.EndpointID(publicOf(newKey(t))) + "@" + ln.Addr().String())
	must(t, err)
	_, err = Dial(context.Background(), a, DialConfig{Signer: newKey(t)})
	var refused *RefusedError
	var mismatch *PinMismatchError
	if err == nil || errors.As(err, &refused) || errors.As(err, &mismatch) {
		t.Errorf("error %v, want one that trying again may cure", err)
	}
}

// A certificate that its sender cannot prove to own is no other node.
func TestUnprovenServer(t *testing.T) {
	other := newKey(t)
	config := impostor(t, other)
	certificate, err := config.GetClientCertificate(nil)
	must(t, err)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*certificate}, NextProtos: []string{alpnKey, ALPN}})
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	a, err := ParseAddress("tls://" + principal.EndpointID(publicOf(newKey(t))) + "@" + ln.Addr().String())
	must(t, err)
	_, err = Dial(context.Background(), a, DialConfig{Signer: newKey(t)})
	var mismatch *PinMismatchError
	if err == nil || errors.As(err, &mismatch) {
		t.Errorf("error %v, want one that names no key", err)
	}
}

// Strangers past the limit make room, the oldest of the busiest network first.
func TestStrangersMakeRoom(t *testing.T) {
	h := listen(t, "tls://127.0.0.1:0", nil)
	honest := dialFrom(t, h, "127.0.1.1")
	var strangers []net.Conn
	for i := range MaxStrangers {
		strangers = append(strangers, dialFrom(t, h, fmt.Sprintf("127.0.2.%d", i%20+1)))
	}
	a := h.pinned()
	a.Scheme = SchemeTLS
	conn := dial(t, a, DialConfig{Signer: newKey(t)})
	echoed(t, conn, "let in")
	// The first of the strangers has been closed, the others and the honest one wait.
	if _, err := strangers[0].Read(make([]byte, 1)); err == nil {
		t.Error("the oldest stranger got an answer")
	}
	must(t, honest.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	if _, err := honest.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the only connection of another network: %v", err)
	}
}

func dialFrom(t *testing.T, h *host, ip string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := dialer.Dial("tcp", h.Address().hostPort())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestStrangers(t *testing.T) {
	var s Strangers
	var closed []string
	add := func(address string) *Stranger {
		return s.Add(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)), func() { closed = append(closed, address) })
	}
	add("192.0.2.1:1")
	add("198.51.100.1:1")
	second := add("198.51.100.2:2")
	add("[::ffff:198.51.100.3]:3")
	add("[2001:db8:1::1]:1")
	add("[2001:db8:1:ffff::1]:2")
	if !s.Remove(second) || s.Remove(second) || s.Len() != 5 {
		t.Errorf("%d are left", s.Len())
	}
	for s.Evict() != nil {
	}
	if closed[0] != "198.51.100.1:1" && closed[0] != "[2001:db8:1::1]:1" || len(closed) != 5 || s.Len() != 0 {
		t.Errorf("closed %q, %d are left", closed, s.Len())
	}
	if s.Evict() != nil || len(s.networks) != 0 {
		t.Error("something is left")
	}
}
