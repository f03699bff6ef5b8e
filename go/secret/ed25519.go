package secret

import (
	"crypto/ed25519"
	"crypto/sha512"
	"hash"

	"filippo.io/edwards25519"
)

// crypto/ed25519 computes the same, but leaves the key on the heap: as the
// argument, as its own parsed copy in a cache, and as garbage. Here the key and
// every number made from it lie in the frame.

// expandEd25519 completes f.key from its private half and returns the public key
// (RFC 8032, section 5.1.5).
func expandEd25519(f *frame) ed25519.PublicKey {
	h := sha512.New()
	defer wipeObject(h)
	h.Write(f.key.private[:])
	h.Sum(f.sum[:0])
	if _, err := f.key.scalar.SetBytesWithClamping(f.sum[:32]); err != nil {
		panic("secret: " + err.Error()) // only for a wrong length
	}
	copy(f.key.prefix[:], f.sum[32:])
	return new(edwards25519.Point).ScalarBaseMult(&f.key.scalar).Bytes()
}

// signEd25519 signs with f.key (RFC 8032, section 5.1.6).
func signEd25519(f *frame, public ed25519.PublicKey, message []byte) []byte {
	h := sha512.New()
	defer wipeObject(h)
	h.Write(f.key.prefix[:])
	h.Write(message)
	f.setUniform(&f.nonce, h)
	signature := make([]byte, 0, ed25519.SignatureSize)
	signature = append(signature, new(edwards25519.Point).ScalarBaseMult(&f.nonce).Bytes()...)

	h.Reset()
	h.Write(signature)
	h.Write(public)
	h.Write(message)
	f.setUniform(&f.challenge, h)
	f.product.Multiply(&f.challenge, &f.key.scalar).Add(&f.product, &f.nonce)
	return append(signature, f.product.Bytes()...)
}

// setUniform reduces a hash to a scalar.
func (f *frame) setUniform(scalar *edwards25519.Scalar, h hash.Hash) {
	h.Sum(f.sum[:0])
	if _, err := scalar.SetUniformBytes(f.sum[:]); err != nil {
		panic("secret: " + err.Error()) // only for a wrong length
	}
}
