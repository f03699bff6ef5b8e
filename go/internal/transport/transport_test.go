package transport

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/principal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

func publicOf(key crypto.Signer) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// host is a listener whose connections answer each byte with itself.
type host struct {
	*Listener
	key   ed25519.PrivateKey
	conns chan Conn
}

func listen(t testing.TB, address string, change func(*ListenConfig)) *host {
	t.Helper()
	h := &host{key: newKey(t), conns: make(chan Conn, 64)}
	cfg := ListenConfig{Signer: h.key}
	if change != nil {
		change(&cfg)
	}
	ln, err := Listen(context.Background(), address, cfg)
	must(t, err)
	h.Listener = ln
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			h.conns <- conn
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	t.Cleanup(func() {
		must(t, ln.Close())
		<-accepting
	})
	return h
}

// pinned is the listener's address with its key.
func (h *host) pinned() Address {
	a := h.Address()
	a.Peer = publicOf(h.key)
	return a
}

func dial(t testing.TB, a Address, cfg DialConfig) Conn {
	t.Helper()
	conn, err := Dial(context.Background(), a, cfg)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func echoed(t testing.TB, conn Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	must(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(conn, got)
	must(t, err)
	if string(got) != text {
		t.Fatalf("echo %q, want %q", got, text)
	}
}

func TestEveryKind(t *testing.T) {
	for listenOn, kind := range map[string]string{
		"127.0.0.1:0": KindQUIC, "quic://127.0.0.1:0": KindQUIC, "tls://127.0.0.1:0": KindTLS, "tcp://127.0.0.1:0": KindTCP,
		"unix://" + filepath.Join(t.TempDir(), "s"): KindUnix,
	} {
		t.Run(listenOn[:strings.IndexByte(listenOn, ':')], func(t *testing.T) {
			h := listen(t, listenOn, nil)
			mine := newKey(t)
			conn := dial(t, h.pinned(), DialConfig{Signer: mine})
			if conn.Kind() != kind {
				t.Errorf("kind %s, want %s", conn.Kind(), kind)
			}
			echoed(t, conn, "hello")
			other := <-h.conns
			secure := kind == KindQUIC || kind == KindTLS
			if secure != bytes.Equal(other.PeerKey(), publicOf(mine)) || secure != bytes.Equal(conn.PeerKey(), publicOf(h.key)) {
				t.Errorf("the keys proven are %v and %v", other.PeerKey(), conn.PeerKey())
			}
			must(t, conn.CloseWithReason("enough"))
			must(t, conn.Close())
			if _, err := io.ReadAll(conn); err == nil {
				t.Error("a closed connection can be read")
			}
		})
	}
}

func TestOnePortForBoth(t *testing.T) {
	h := listen(t, "127.0.0.1:0", nil)
	for _, scheme := range []string{SchemeQUIC, SchemeTLS} {
		a := h.pinned()
		a.Scheme = scheme
		echoed(t, dial(t, a, DialConfig{Signer: newKey(t)}), scheme)
	}
	if _, err := Listen(context.Background(), h.Address().hostPort(), ListenConfig{Signer: newKey(t)}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the same port again: %v", err)
	}
}

func TestWrongPinNamesBothKeysAndIsFinal(t *testing.T) {
	h := listen(t, "127.0.0.1:0", nil)
	for _, scheme := range []string{SchemeAlknet, SchemeQUIC, SchemeTLS} {
		a := h.pinned()
		a.Scheme, a.Peer = scheme, publicOf(newKey(t))
		_, err := Dial(context.Background(), a, DialConfig{Signer: newKey(t)})
		var mismatch *PinMismatchError
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), principal.Fingerprint(a.Peer)) || !strings.Contains(err.Error(), principal.Fingerprint(publicOf(h.key))) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	select {
	case <-h.conns:
		t.Error("the listener got a connection that its client did not want")
	default:
	}
}

// authority makes a CA and a certificate of it for 127.0.0.1.
func authority(t *testing.T) (*x509.CertPool, *tls.Certificate) {
	t.Helper()
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, publicOf(caKey), caKey)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	signed, err := x509.CreateCertificate(rand.Reader, leaf, parsed, publicOf(key), caKey)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool, &tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}

func TestWithoutPin(t *testing.T) {
	pool, certificate := authority(t)
	for _, scheme := range []string{"quic", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			h := listen(t, scheme+"://127.0.0.1:0", func(c *ListenConfig) { c.Certificate = certificate })
			echoed(t, dial(t, h.Address(), DialConfig{Signer: newKey(t), RootCAs: pool}), "certified")
			if _, err := Dial(context.Background(), h.Address(), DialConfig{Signer: newKey(t)}); err == nil {
				t.Error("a certificate of an unknown CA was accepted")
			}
			pinned := h.Address()
			pinned.Peer = publicOf(h.key)
			if conn := dial(t, pinned, DialConfig{Signer: newKey(t)}); !conn.PeerKey().Equal(publicOf(h.key)) {
				t.Error("a client that pins the node's key was shown another certificate")
			}
			self := listen(t, scheme+"://127.0.0.1:0", nil)
			if _, err := Dial(context.Background(), self.Address(), DialConfig{RootCAs: pool}); err == nil {
				t.Error("a self-signed certificate was accepted without a pin")
			}
			echoed(t, dial(t, self.Address(), DialConfig{Insecure: true}), "insecure, as was asked for")
		})
	}
}

// silentUDP takes packets and never answers, as a firewall does.
func silentUDP(t *testing.T, port uint16) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	must(t, err)
	t.Cleanup(func() { _ = socket.Close() })
}

func TestRaceFallsBackToTLS(t *testing.T) {
	h := listen(t, "tls://127.0.0.1:0", nil)
	a := h.pinned()
	a.Scheme = SchemeAlknet
	// Nothing on UDP: QUIC fails at once or never answers, TLS wins either way.
	if conn := dial(t, a, DialConfig{Signer: newKey(t)}); conn.Kind() != KindTLS {
		t.Errorf("connected over %s", conn.Kind())
	}
	silentUDP(t, a.Port)
	started := time.Now()
	conn := dial(t, a, DialConfig{Signer: newKey(t), RaceDelay: 100 * time.Millisecond})
	if conn.Kind() != KindTLS || time.Since(started) < 100*time.Millisecond {
		t.Errorf("connected over %s after %v: TLS is to wait for the delay", conn.Kind(), time.Since(started))
	}
	echoed(t, conn, "over TLS")
}

func TestNothingThere(t *testing.T) {
	h := listen(t, "127.0.0.1:0", nil)
	a := h.pinned()
	must(t, h.Close())
	if _, err := Dial(context.Background(), a, DialConfig{Timeout: 2 * time.Second}); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, scheme := range []string{SchemeAlknet, SchemeQUIC, SchemeTLS, SchemeTCP} {
		a.Scheme = scheme
		if _, err := Dial(ctx, a, DialConfig{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", scheme, err)
		}
	}
	silentUDP(t, a.Port)
	a.Scheme = SchemeQUIC
	if _, err := Dial(context.Background(), a, DialConfig{Timeout: 50 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
}

// Strangers who connect and say nothing hold up nobody.
func TestSilentStrangers(t *testing.T) {
	h := listen(t, "127.0.0.1:0", nil)
	for range 100 {
		conn, err := net.Dial("tcp", h.Address().hostPort())
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	a := h.pinned()
	a.Scheme = SchemeTLS
	echoed(t, dial(t, a, DialConfig{Signer: newKey(t)}), "hello")
}

func TestALPNIsRequired(t *testing.T) {
	h := listen(t, "tls://127.0.0.1:0", nil)
	_, err := tls.Dial("tcp", h.Address().hostPort(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"smtp"}})
	if err == nil {
		t.Error("a client of another protocol was accepted")
	}
	old, err := tls.Dial("tcp", h.Address().hostPort(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil {
		_ = old.Close()
		t.Error("TLS 1.2 was accepted")
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	h := listen(t, "unix://"+path, nil)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := Listen(context.Background(), "unix://"+path, ListenConfig{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a socket that somebody listens on: %v", err)
	}
	must(t, h.Close())
	// What a killed process leaves is replaced; what is no socket is not.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	stale.SetUnlinkOnClose(false)
	must(t, stale.Close())
	again := listen(t, "unix://"+path, nil)
	echoed(t, dial(t, again.Address(), DialConfig{}), "again")
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("mine"), 0o600))
	if _, err := Listen(context.Background(), "unix://"+file, ListenConfig{}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}

func TestStreamsAndCloseReason(t *testing.T) {
	h := listen(t, "quic://127.0.0.1:0", nil)
	conn := dial(t, h.pinned(), DialConfig{Signer: newKey(t)})
	echoed(t, conn, "main")
	other := <-h.conns
	out, err := conn.(Streams).OpenStream()
	must(t, err)
	_, err = io.WriteString(out, "beside")
	must(t, err)
	must(t, out.Close())
	in, err := other.(Streams).AcceptStream(context.Background())
	must(t, err)
	if text, err := io.ReadAll(in); err != nil || string(text) != "beside" {
		t.Errorf("stream: %q, %v", text, err)
	}
	// A cancelled stream is told to the reader and leaves the connection alone.
	out, err = conn.(Streams).OpenStream()
	must(t, err)
	_, err = io.WriteString(out, "lost")
	must(t, err)
	in, err = other.(Streams).AcceptStream(context.Background())
	must(t, err)
	out.Cancel()
	if _, err := io.ReadAll(in); err == nil {
		t.Error("a cancelled stream ended well")
	}
	echoed(t, conn, "still there")
	must(t, other.CloseWithReason("CODE: because"))
	_, err = io.ReadAll(conn)
	var closed *RemoteClosedError
	if !errors.As(err, &closed) || closed.CloseReason() != "CODE: because" {
		t.Errorf("closed with %v", err)
	}
}

// Closing does not wait for a peer that does not read.
func TestCloseOfAFullSocket(t *testing.T) {
	ln, err := Listen(context.Background(), "tls://127.0.0.1:0", ListenConfig{Signer: newKey(t)})
	must(t, err)
	defer ln.Close()
	accepted := make(chan Conn, 1)
	go func() {
		conn, err := ln.Accept(context.Background())
		must(t, err)
		accepted <- conn
	}()
	a := ln.Address()
	conn, err := Dial(context.Background(), a, DialConfig{Insecure: true})
	must(t, err)
	defer (<-accepted).Close()
	for ok := true; ok; {
		ok, err = conn.(EagerWriter).TryWrite(make([]byte, EagerSize))
		must(t, err)
	}
	started := time.Now()
	must(t, conn.Close())
	if took := time.Since(started); took > time.Second { // crypto/tls would take five
		t.Errorf("closing took %v", took)
	}
}
