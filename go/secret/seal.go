package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

const (
	nonceSize = 12 // bytes, NIST SP 800-38D, section 5.2.1.1
	tagSize   = 16 // bytes

	// MaxPlaintext is the most that one call seals, in bytes (32 MiB).
	MaxPlaintext = 32 << 20
	// MaxSeals is how often one key may seal. Nonces are random, and NIST SP
	// 800-38D (section 8.3) allows no more: the chance that two nonces have been
	// equal is 2^-33 then.
	MaxSeals = 1 << 32

	// maxSealingKeys bounds how many keys one store counts the seals of.
	maxSealingKeys = 4096
)

// aead is AES-256-GCM under one key, for one use.
type aead struct {
	block cipher.Block
	cipher.AEAD
}

// newAEAD schedules a key. The schedule lies on the ordinary heap, since
// crypto/aes puts it there, until wipe.
func newAEAD(key *[32]byte) *aead {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("secret: " + err.Error()) // only for a wrong length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("secret: " + err.Error()) // only for a wrong block size
	}
	return &aead{block: block, AEAD: gcm}
}

func (a *aead) wipe() {
	wipeObject(a.block)
	wipeObject(a.AEAD)
}

// seal returns nonce ‖ ciphertext ‖ tag.
func seal(key *[32]byte, plaintext []byte) []byte {
	a := newAEAD(key)
	defer a.wipe()
	out := make([]byte, nonceSize, nonceSize+len(plaintext)+tagSize)
	rand.Read(out) // it cannot fail
	return a.Seal(out, out, plaintext, nil)
}

// open returns the plaintext in memory of its own. Whatever is wrong with the
// input, the error is the same.
func open(key *[32]byte, nonce, ciphertext []byte) ([]byte, error) {
	if len(nonce) != nonceSize || len(ciphertext) < tagSize {
		return nil, errDecryption
	}
	a := newAEAD(key)
	defer a.wipe()
	plaintext, err := a.Open(nil, nonce, ciphertext, nil)
	if err != nil {
		return nil, errDecryption
	}
	return plaintext, nil
}
