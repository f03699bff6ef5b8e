package transport

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
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

// clientTLS is the dialling side's configuration. mismatch is set when the server
// shows another key than the pinned one.
func clientTLS(a Address, cfg DialConfig, mismatch *error) (*tls.Config, ed25519.PublicKey, error) {
	config := baseTLS(cfg.Protocol)
	config.ServerName = a.Host
	config.RootCAs = cfg.RootCAs
	var presented ed25519.PublicKey
	if cfg.Signer != nil {
		certificate, key, err := selfSigned(cfg.Signer)
		if err != nil {
			return nil, nil, err
		}
		presented = key
		// Sent whatever the server's list of authorities says.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	switch {
	case a.Peer != nil:
		// The key is compared below instead of a chain: it is the stronger check.
		config.InsecureSkipVerify = true
		config.NextProtos = append(config.NextProtos, alpnKey)
		config.VerifyConnection = func(state tls.ConnectionState) error {
			got := keyOf(state.PeerCertificates)
			if got == nil {
				return errors.New("the node's certificate holds no Ed25519 key, and the address pins one")
			}
			if !sameKey(got, a.Peer) {
				*mismatch = &PinMismatchError{Want: a.Peer, Got: got}
				return *mismatch
			}
			return nil
		}
	case cfg.Insecure:
		config.InsecureSkipVerify = true
	}
	return config, presented, nil
}

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
		var remote net.Addr
		if hello.Conn != nil {
			remote = hello.Conn.RemoteAddr()
		}
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || cfg.VerifyPeer == nil {
				return nil
			}
			key := keyOf(state.PeerCertificates)
			if key == nil {
				return errors.New("the client's certificate holds no Ed25519 key")
			}
			return cfg.VerifyPeer(context.WithoutCancel(hello.Context()), key, remote)
		}
		return c, nil
	}
	return config, nil
}
