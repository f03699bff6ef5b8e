package secret

import (
	"crypto"
	"crypto/ed25519"
	"crypto/subtle"
	"io"
)

// signer is a crypto.Signer for one public key of a store.
type signer struct {
	store  *Store
	name   cacheKey
	public ed25519.PublicKey
}

// Signer returns a crypto.Signer for the Ed25519 key at a path, as crypto/tls and
// x/crypto/ssh take it for handshakes; IdentityPath is the node's own. The private
// key does not leave the store. While the store is locked signing answers LOCKED.
// Unlike a Handle, a signer stands for its public key rather than for one unlocking:
// when the store is unlocked again with the same mnemonic it signs again, and with
// another one it answers LOCKED. Public answers always, with an ed25519.PublicKey.
func (s *Store) Signer(path Path) (crypto.Signer, error) {
	h, err := s.Derive(path, Ed25519)
	if err != nil {
		return nil, err
	}
	return &signer{store: s, name: h.name, public: h.public}, nil
}

func (s *signer) Public() crypto.PublicKey {
	return ed25519.PublicKey(append([]byte(nil), s.public...))
}

// Sign signs a message, not a digest: opts must have HashFunc 0, and rand is unused
// (RFC 8032, section 5.1.6).
func (s *signer) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if opts != nil && opts.HashFunc() != crypto.Hash(0) {
		return nil, errorf(InvalidInput, "an Ed25519 key signs the message itself, not a digest of it")
	}
	if o, ok := opts.(*ed25519.Options); ok && o.Context != "" {
		return nil, errorf(InvalidInput, "the key signs by plain Ed25519, without a context")
	}
	err = s.store.run(nil, ActionSign, s.name, func(f *frame, public []byte) error {
		if subtle.ConstantTimeCompare(public, s.public) != 1 {
			return errorf(Locked, "the store is unlocked with another mnemonic than this key's")
		}
		signature = signEd25519(f, public, message)
		return nil
	})
	return signature, err
}
