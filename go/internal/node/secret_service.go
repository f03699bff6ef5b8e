package node

import (
	"context"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/service"
	"github.com/alkdev/alknet/go/secret"
)

// storeService is the SecretService of a store in this process.
type storeService struct {
	store *secret.Store
	paths []secret.Path
}

// NewSecretService gives a store of this process as a SecretService, for this node's
// own operations or for a service process to offer to nodes. Keys are used below
// paths alone, none meaning CallerKeys; the node's identity, its SSH host key and the
// keys for passwords and sealing stay closed.
func NewSecretService(store *secret.Store, paths ...secret.Path) service.SecretService {
	if len(paths) == 0 {
		paths = []secret.Path{CallerKeys()}
	}
	return storeService{store, paths}
}

func (s storeService) handle(key service.SecretKey) (*secret.Handle, error) {
	path, err := secret.ParsePath(key.Path)
	if err != nil {
		return nil, publicSecretError(err)
	}
	if !mayUse(s.paths, path) {
		return nil, call.Errorf(call.Forbidden, "the key at this path is not for callers")
	}
	h, err := s.store.Derive(path, secret.KeyType(key.Type))
	return h, publicSecretError(err)
}

func (s storeService) PublicKey(_ context.Context, key service.SecretKey) ([]byte, error) {
	h, err := s.handle(key)
	if err != nil {
		return nil, err
	}
	return h.PublicKey(), nil
}

func (s storeService) Sign(_ context.Context, key service.SecretKey, message []byte) ([]byte, error) {
	h, err := s.handle(key)
	if err != nil {
		return nil, err
	}
	signature, err := h.Sign(message)
	return signature, publicSecretError(err)
}

func (s storeService) Encrypt(_ context.Context, plaintext []byte, version uint32) (service.Sealed, error) {
	sealed, err := s.store.Encrypt(plaintext, version)
	if err != nil {
		return service.Sealed{}, publicSecretError(err)
	}
	return service.Sealed{KeyVersion: sealed.KeyVersion, Salt: sealed.Salt, IV: sealed.IV, Data: sealed.Data}, nil
}

func (s storeService) Decrypt(_ context.Context, sealed service.Sealed) ([]byte, error) {
	plaintext, err := s.store.Decrypt(encryptedOf(sealed))
	return plaintext, publicSecretError(err)
}

func encryptedOf(sealed service.Sealed) secret.EncryptedData {
	return secret.EncryptedData{KeyVersion: sealed.KeyVersion, Salt: sealed.Salt, IV: sealed.IV, Data: sealed.Data}
}
