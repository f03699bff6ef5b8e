package secret

import (
	"bytes"
)

// Handle is a key that can be used and not read. It holds no secret: the private
// key is in the store's cache, or is derived again when it is needed. When the store
// is locked its handles answer LOCKED, and they stay dead when it is unlocked again,
// with whatever mnemonic: Derive makes new ones. Handles need not be closed, and
// their methods may be called concurrently.
type Handle struct {
	store  *Store
	vault  *vault
	name   cacheKey
	public []byte
}

// Path returns where the key was derived.
func (h *Handle) Path() Path { return h.name.path }

// Type returns what the key is for.
func (h *Handle) Type() KeyType { return h.name.kind }

// PublicKey returns the public key: 32 bytes for Ed25519, 33 (compressed, SEC 1) for
// Secp256k1, nil for AES256GCM. It answers in a locked store, too.
func (h *Handle) PublicKey() []byte { return bytes.Clone(h.public) }

// Sign signs. With an Ed25519 key it takes a message of any length and returns the
// 64 bytes of RFC 8032. With a Secp256k1 key it takes a 32-byte digest and returns
// 65 bytes: r ‖ s ‖ recovery id (0 to 3), deterministic by RFC 6979 and with the low
// s. Errors: LOCKED, CLOSED, INVALID_INPUT.
func (h *Handle) Sign(message []byte) (signature []byte, err error) {
	switch {
	case h.name.kind == AES256GCM:
		return nil, errorf(InvalidInput, "a key of type %s does not sign", h.name.kind)
	case h.name.kind == Secp256k1 && len(message) != 32:
		return nil, errorf(InvalidInput, "a secp256k1 key signs a digest of 32 bytes, not %d", len(message))
	}
	err = h.run(ActionSign, func(f *frame, public []byte) error {
		if h.name.kind == Ed25519 {
			signature = signEd25519(f, public, message)
			return nil
		}
		compact := signECDSA(f, (*[32]byte)(message))
		signature = compact[:]
		return nil
	})
	return signature, err
}

func (h *Handle) run(action Action, do func(f *frame, public []byte) error) error {
	return h.store.run(h.vault, action, h.name, do)
}

// require refuses a key of another type.
func (h *Handle) require(kind KeyType, what string) error {
	if h.name.kind != kind {
		return errorf(InvalidInput, "%s takes a key of type %s, not %s", what, kind, h.name.kind)
	}
	return nil
}

// Seal encrypts with an AES256GCM key and returns nonce(12) ‖ ciphertext ‖ tag(16).
// It counts like Store.Encrypt, which gives the form that other programs know.
// Errors: LOCKED, CLOSED, INVALID_INPUT, RESOURCE_EXHAUSTED.
func (h *Handle) Seal(plaintext []byte) ([]byte, error) {
	if err := h.require(AES256GCM, "sealing"); err != nil {
		return nil, err
	}
	return h.store.seal(h.vault, h.name.path, plaintext)
}

// Open decrypts what Seal returned. The plaintext is the caller's to wipe. Errors:
// LOCKED, CLOSED, INVALID_INPUT for a key of another type, and DECRYPTION_FAILED for
// every fault of the data, with the same text.
func (h *Handle) Open(sealed []byte) ([]byte, error) {
	if err := h.require(AES256GCM, "opening"); err != nil {
		return nil, err
	}
	nonce := sealed[:min(nonceSize, len(sealed))]
	return h.store.open(h.vault, h.name.path, nonce, sealed[len(nonce):])
}

// ExportPrivateKey returns the 32 bytes of the private key: the Ed25519 seed, the
// secp256k1 scalar (big-endian) or the AES key. They are the caller's to wipe.
// Errors: LOCKED, CLOSED, NOT_EXPORTABLE.
func (h *Handle) ExportPrivateKey() (private []byte, err error) {
	err = h.export(func(f *frame, _ []byte) error {
		private = bytes.Clone(f.key.private[:])
		return nil
	})
	return private, err
}

// export is the one door out for private keys.
func (h *Handle) export(do func(f *frame, public []byte) error) error {
	return h.run(ActionExport, func(f *frame, public []byte) error {
		if h.store.options.NotExportable {
			return errorf(NotExportable, "the store does not export private keys")
		}
		return do(f, public)
	})
}
