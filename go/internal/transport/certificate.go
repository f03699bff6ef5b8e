package transport

import (
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"
	"time"
)

// noExpiry is the notAfter of a certificate that has no well-defined end
// (RFC 5280, section 4.1.2.5).
var noExpiry = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// selfSigned makes the certificate that carries the signer's Ed25519 key. Its
// names and dates mean nothing: peers check the key.
func selfSigned(signer crypto.Signer) (*tls.Certificate, ed25519.PublicKey, error) {
	key, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, nil, errors.New("the node's key is not an Ed25519 key")
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: noExpiry,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("make the node's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}, key, nil
}

// keyOf returns the Ed25519 key in the peer's certificate, nil if it holds another
// kind of key or there is none.
func keyOf(chain []*x509.Certificate) ed25519.PublicKey {
	if len(chain) == 0 {
		return nil
	}
	key, _ := chain[0].PublicKey.(ed25519.PublicKey)
	return key
}

// sameKey compares in constant time.
func sameKey(a, b ed25519.PublicKey) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// baseTLS is what both sides agree on. Sessions are never resumed: each connection
// proves its keys anew, and a key that was revoked opens nothing.
func baseTLS(protocol string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{cmp.Or(protocol, ALPN)}, SessionTicketsDisabled: true}
}

// pin is the key that an address pins, and what the server has shown instead. A server
// proves its key after it has shown it (RFC 8446, section 4.4.3), so that a mismatch is
// told only of a handshake that got so far: anybody can show anybody's certificate.
type pin struct {
	want   ed25519.PublicKey
	shown  ed25519.PublicKey // another key; nil for none
	proven atomic.Bool
}

// verify takes the certificate that the server has shown and not yet proven.
func (p *pin) verify(state tls.ConnectionState) error {
	got := keyOf(state.PeerCertificates)
	if got == nil {
		return errors.New("the node's certificate holds no Ed25519 key, and the address pins one")
	}
	if !sameKey(got, p.want) {
		p.shown = got
	}
	return nil
}

// check is called once the server has proven its key.
func (p *pin) check() error {
	if p == nil || p.shown == nil {
		return nil
	}
	p.proven.Store(true)
	return p.mismatch()
}

// mismatch returns the *PinMismatchError of a key that was proven, or nil.
func (p *pin) mismatch() error {
	if p == nil || !p.proven.Load() {
		return nil
	}
	return &PinMismatchError{Want: p.want, Got: p.shown}
}

// clientTLS is the dialling side's configuration. pin.check is to be called after the
// handshake; pin is nil where the address pins no key.
func clientTLS(a Address, cfg DialConfig) (*tls.Config, ed25519.PublicKey, *pin, error) {
	config := baseTLS(cfg.Protocol)
	config.ServerName = a.Host
	config.RootCAs = cfg.RootCAs
	var presented ed25519.PublicKey
	var pinned *pin
	if a.Peer != nil {
		pinned = &pin{want: a.Peer}
	}
	if cfg.Signer != nil {
		certificate, key, err := selfSigned(cfg.Signer)
		if err != nil {
			return nil, nil, nil, err
		}
		presented = key
		// Sent whatever the server's list of authorities says; not to a server that has
		// just proven another key than the pinned one.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certificate, pinned.check()
		}
	}
	switch {
	case a.Peer != nil:
		// The key is compared below instead of a chain: it is the stronger check.
		config.InsecureSkipVerify = true
		config.NextProtos = append(config.NextProtos, alpnKey)
		config.VerifyConnection = pinned.verify
	case cfg.Insecure:
		config.InsecureSkipVerify = true
	}
	return config, presented, pinned, nil
}

// claim is what a connection's handshake knows of the client's key before the client has
// proven it. The key is judged after the handshake: a judgement before it would tell
// whether a key is authorized to whoever knows it.
type claim struct{ made atomic.Bool }

// claimKey finds a connection's claim in the context of its handshake.
type claimKey struct{}

// serverTLS is the listening side's configuration.
func serverTLS(cfg ListenConfig) (*tls.Config, error) {
	own, _, err := selfSigned(cfg.Signer)
	if err != nil {
		return nil, err
	}
	config := baseTLS(cfg.Protocol)
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if cfg.Certificate == nil || slices.Contains(hello.SupportedProtos, alpnKey) {
			return own, nil
		}
		return cfg.Certificate, nil
	}
	config.ClientAuth = tls.RequestClientCert
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c := config.Clone()
		c.GetConfigForClient = nil
		claim, _ := hello.Context().Value(claimKey{}).(*claim)
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return nil
			}
			if keyOf(state.PeerCertificates) == nil {
				return errors.New("the client's certificate holds no Ed25519 key")
			}
			if claim != nil {
				claim.made.Store(true)
			}
			return nil
		}
		return c, nil
	}
	return config, nil
}
