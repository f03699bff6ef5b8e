package service

import (
	"context"

	"github.com/alkdev/alknet/go/internal/call"
)

// SecretService is what a node asks of a store of secrets, wherever that is: in the
// same process, or behind a Client. Its methods are safe for concurrent use. Errors
// are *call.Error with the store's code, LOCKED for example, or UNAVAILABLE while a
// service cannot be reached. Keys never leave the store.
type SecretService interface {
	// PublicKey returns the public key of a key.
	PublicKey(ctx context.Context, key SecretKey) ([]byte, error)
	// Sign signs a message, or, with secp256k1, a digest of 32 bytes.
	Sign(ctx context.Context, key SecretKey, message []byte) (signature []byte, err error)
	// Encrypt seals a plaintext with the sealing key of a version.
	Encrypt(ctx context.Context, plaintext []byte, version uint32) (Sealed, error)
	// Decrypt opens what was sealed. The plaintext is the caller's, to be wiped.
	Decrypt(ctx context.Context, sealed Sealed) (plaintext []byte, err error)
}

// SecretKey names a key of a store.
type SecretKey struct {
	Path string `cbor:"1,keyasint"` // a derivation path, m/74'/3'/0'
	Type string `cbor:"2,keyasint"` // "ed25519" or "secp256k1"
}

// Sealed is what Encrypt has made, as it is stored.
type Sealed struct {
	KeyVersion uint32 `cbor:"1,keyasint"`
	Salt       []byte `cbor:"2,keyasint,omitempty"`
	IV         []byte `cbor:"3,keyasint"`
	Data       []byte `cbor:"4,keyasint"`
}

type signInput struct {
	Key     SecretKey `cbor:"1,keyasint"`
	Message []byte    `cbor:"2,keyasint"`
}

type encryptInput struct {
	Plaintext []byte `cbor:"1,keyasint"`
	Version   uint32 `cbor:"2,keyasint"`
}

// The operations of SecretService.
const (
	opPublicKey = "secret.publicKey"
	opSign      = "secret.sign"
	opEncrypt   = "secret.encrypt"
	opDecrypt   = "secret.decrypt"
)

// serveSecret answers a request with a SecretService of this process. What is secret
// in it is wiped.
func serveSecret(ctx context.Context, s SecretService, r *incoming, body requestBody) error {
	switch body.Operation {
	case opPublicKey:
		var key SecretKey
		if err := decodeInput(body, &key); err != nil {
			return err
		}
		public, err := s.PublicKey(ctx, key)
		if err != nil {
			return err
		}
		return r.answer(public)
	case opSign:
		var in signInput
		if err := decodeInput(body, &in); err != nil {
			return err
		}
		defer clear(in.Message)
		signature, err := s.Sign(ctx, in.Key, in.Message)
		if err != nil {
			return err
		}
		return r.answer(signature)
	case opEncrypt:
		var in encryptInput
		if err := decodeInput(body, &in); err != nil {
			return err
		}
		defer clear(in.Plaintext)
		sealed, err := s.Encrypt(ctx, in.Plaintext, in.Version)
		if err != nil {
			return err
		}
		return r.answer(sealed)
	case opDecrypt:
		var sealed Sealed
		if err := decodeInput(body, &sealed); err != nil {
			return err
		}
		plaintext, err := s.Decrypt(ctx, sealed)
		if err != nil {
			return err
		}
		defer clear(plaintext)
		return r.answer(plaintext)
	}
	return call.Errorf(call.NotFound, "there is no %.80q in this service", body.Operation)
}

func decodeInput(body requestBody, into any) error {
	if err := decoding.Unmarshal(body.Input, into); err != nil {
		return call.Errorf(call.InvalidInput, "the input of %s cannot be read", body.Operation)
	}
	return nil
}

// remoteSecrets is the SecretService of a Client.
type remoteSecrets struct{ client *Client }

// Secrets returns the service's SecretService. It outlives a loss of the connection.
func (c *Client) Secrets() SecretService { return remoteSecrets{c} }

func (s remoteSecrets) PublicKey(ctx context.Context, key SecretKey) (public []byte, err error) {
	err = s.client.ask(ctx, opPublicKey, key, &public)
	return public, err
}

func (s remoteSecrets) Sign(ctx context.Context, key SecretKey, message []byte) (signature []byte, err error) {
	err = s.client.ask(ctx, opSign, signInput{key, message}, &signature)
	return signature, err
}

func (s remoteSecrets) Encrypt(ctx context.Context, plaintext []byte, version uint32) (sealed Sealed, err error) {
	err = s.client.ask(ctx, opEncrypt, encryptInput{plaintext, version}, &sealed)
	return sealed, err
}

func (s remoteSecrets) Decrypt(ctx context.Context, sealed Sealed) (plaintext []byte, err error) {
	err = s.client.ask(ctx, opDecrypt, sealed, &plaintext)
	return plaintext, err
}
