package secret

import (
	"crypto/sha512"
	"crypto/subtle"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// seedRounds is BIP-39's iteration count of PBKDF2.
	seedRounds = 2048
	// maxPassphrase bounds the passphrase, in bytes.
	maxPassphrase = 4096
)

// stretch sets f.seed to the BIP-39 seed of f.phrase and a passphrase: one block of
// PBKDF2-HMAC-SHA512 (RFC 8018, section 5.2). Both PBKDF2s of the standard library
// and x/crypto keep the phrase in HMAC states that cannot be wiped; this one keeps
// all in the frame, and starts each round from saved states rather than from the
// key, as they do.
func (f *phraseFrame) stretch(passphrase []byte) error {
	if len(passphrase) > maxPassphrase || !utf8.Valid(passphrase) {
		return errorf(InvalidInput, "the passphrase must be UTF-8 and at most %d bytes long", maxPassphrase)
	}
	m := newMAC(sha512.New, f.block[:])
	defer m.wipe()
	m.setKey(f.canonicalPhrase())
	inner, outer := m.save(f.inner[:0], f.outer[:0])

	m.write([]byte("mnemonic"))
	writeNFKD(m, passphrase)
	m.write([]byte{0, 0, 0, 1})
	m.sum(f.u[:])
	copy(f.seed[:], f.u[:])
	for range seedRounds - 1 {
		m.restore(inner, outer)
		m.write(f.u[:])
		m.sum(f.u[:])
		subtle.XORBytes(f.seed[:], f.seed[:], f.u[:])
	}
	return nil
}

// writeNFKD writes text to a mac in NFKD, a few characters at a time.
func writeNFKD(m *mac, text []byte) {
	if norm.NFKD.IsNormal(text) {
		m.write(text)
		return
	}
	var segments norm.Iter
	defer wipeObject(&segments)
	segments.Init(norm.NFKD, text)
	for !segments.Done() {
		m.write(segments.Next())
	}
}
