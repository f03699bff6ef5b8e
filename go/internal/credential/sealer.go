package credential

import (
	"context"

	"github.com/alkdev/alknet/go/secret"
)

// Sealer seals and opens what a Directory keeps. It is safe for concurrent use. Its
// errors are *secret.Error or *Error.
type Sealer interface {
	// Encrypt seals with the current sealing key. The plaintext stays the caller's.
	Encrypt(ctx context.Context, plaintext []byte) (secret.EncryptedData, error)
	// Decrypt opens what was sealed. The plaintext is the caller's to wipe.
	Decrypt(ctx context.Context, sealed secret.EncryptedData) ([]byte, error)
}

// StoreSealer is the Sealer of a store of this process.
func StoreSealer(store *secret.Store) Sealer { return storeSealer{store} }

type storeSealer struct{ store *secret.Store }

func (s storeSealer) Encrypt(_ context.Context, plaintext []byte) (secret.EncryptedData, error) {
	return s.store.Encrypt(plaintext, secret.CurrentKeyVersion)
}

func (s storeSealer) Decrypt(_ context.Context, sealed secret.EncryptedData) ([]byte, error) {
	return s.store.Decrypt(sealed)
}
