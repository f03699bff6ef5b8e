package secret

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

func sha512Sum(b []byte) []byte {
	sum := sha512.Sum512(b)
	return sum[:]
}

func pemBlock(kind string, blob []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: blob})
}

// TestSignerInTLS shakes hands with both sides' keys in stores, and again after the
// client's store was locked.
func TestSignerInTLS(t *testing.T) {
	server, client := unlocked(t, Options{}, testMnemonic, ""), unlocked(t, Options{}, otherMnemonic, "")
	shake := func(certificate tls.Certificate) error {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		done := make(chan error, 1)
		go func() {
			config := &tls.Config{Certificates: []tls.Certificate{selfSigned(t, server)}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
			done <- tls.Server(b, config).HandshakeContext(context.Background())
			b.Close()
		}()
		conn := tls.Client(a, &tls.Config{Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		err := conn.HandshakeContext(context.Background())
		a.Close()
		if serverErr := <-done; err == nil {
			err = serverErr
		}
		return err
	}
	certificate := selfSigned(t, client)
	must(t, shake(certificate))
	client.Lock()
	if err := shake(certificate); err == nil || !strings.Contains(err.Error(), errLocked.Error()) { // crypto/tls does not wrap it
		t.Errorf("locked: %v", err)
	}
	must(t, client.Unlock([]byte(otherMnemonic), nil))
	must(t, shake(certificate))
}

func selfSigned(t *testing.T, s *Store) tls.Certificate {
	t.Helper()
	signer, err := s.Signer(IdentityPath())
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}
}

func TestSignerRefuses(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	signer, err := s.Signer(IdentityPath())
	must(t, err)
	for name, opts := range map[string]crypto.SignerOpts{"digest": crypto.SHA512, "ph": &ed25519.Options{Hash: crypto.SHA512}, "ctx": &ed25519.Options{Context: "x"}} {
		_, err := signer.Sign(nil, make([]byte, 64), opts)
		wantCode(t, name, err, InvalidInput)
	}
	for _, opts := range []crypto.SignerOpts{nil, crypto.Hash(0), &ed25519.Options{}} {
		signature, err := signer.Sign(nil, []byte("m"), opts)
		if err != nil || !ed25519.Verify(signer.Public().(ed25519.PublicKey), []byte("m"), signature) {
			t.Errorf("%v: %v", opts, err)
		}
	}
	_, err = s.Signer(EthereumPath(0))
	wantCode(t, "a path that is not hardened", err, InvalidPath)
}
