package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/internal/service"
	"github.com/alkdev/alknet/go/secret"
)

// MaxSecretInput is the most that one call of the secret operations signs, seals or
// opens, in bytes (1 MiB).
const MaxSecretInput = 1 << 20

// SecretsConfig says which operations of a secret store a node offers. Each is off
// unless it is switched on here, and needs a scope of its own: secrets:publicKey,
// secrets:sign, secrets:encrypt, secrets:decrypt, secrets:derive. There is no
// operation that unlocks, creates or locks a store.
type SecretsConfig struct {
	// Store is required, or Service in its place. While it is locked the operations
	// answer LOCKED.
	Store *secret.Store
	// Service is a store of another process, or any other; derive is not to be had of it.
	Service service.SecretService

	PublicKey bool // offer /secrets/publicKey
	Sign      bool // offer /secrets/sign
	Encrypt   bool // offer /secrets/encrypt
	Decrypt   bool // offer /secrets/decrypt
	Derive    bool // offer /secrets/derive, if GiveOutPrivateKeys is set, too

	// GiveOutPrivateKeys is the second switch of Derive, which answers with a private
	// key. The store must be exportable.
	GiveOutPrivateKeys bool

	// Paths are what callers may use keys below: each stands for the paths that
	// continue it. None means CallerKeys. Some paths stay closed in spite of them:
	// the node's identity and its SSH host key, since who may choose what they sign
	// can pass for the node, and all keys for passwords and sealing.
	Paths []secret.Path

	// Logger gets a line for each use: operation, identity, path and outcome, never
	// a value. nil discards.
	Logger *slog.Logger
}

// secrets are the secret operations of one node.
type secrets struct {
	service service.SecretService
	store   *secret.Store // for derive alone
	paths   []secret.Path
	logger  *slog.Logger
}

// AddSecrets registers the operations that cfg switches on.
func AddSecrets(registry *call.Registry, cfg SecretsConfig) error {
	switch {
	case cfg.Service != nil && (cfg.Derive || cfg.Store != nil):
		return errors.New("a secret service gives out no private keys, and stands in the place of a store")
	case cfg.Derive != cfg.GiveOutPrivateKeys:
		return errors.New("/secrets/derive gives out private keys: it takes both switches")
	case cfg.Derive && !cfg.Store.Status().Exportable:
		return errors.New("/secrets/derive gives out private keys, and the store does not export them")
	}
	s := &secrets{service: cfg.Service, store: cfg.Store, paths: cfg.Paths, logger: cfg.Logger}
	if len(s.paths) == 0 {
		s.paths = []secret.Path{CallerKeys()}
	}
	if s.service == nil {
		s.service = NewSecretService(s.store, s.paths...)
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	for _, op := range []struct {
		on   bool
		spec call.OperationSpec
		do   func(context.Context, json.RawMessage, *secretUse) (any, error)
	}{
		{cfg.PublicKey, publicKeySpec, s.publicKey},
		{cfg.Sign, signSpec, s.sign},
		{cfg.Encrypt, encryptSpec, s.encrypt},
		{cfg.Decrypt, decryptSpec, s.decrypt},
		{cfg.Derive, deriveSpec, s.derive},
	} {
		if !op.on {
			continue
		}
		if err := registry.Handle(op.spec, s.handler(op.do)); err != nil {
			return err
		}
	}
	return nil
}

// secretUse is what the log says of one call.
type secretUse struct {
	path    string
	kind    secret.KeyType
	version uint32
}

// handler runs an operation and logs it.
func (s *secrets) handler(do func(context.Context, json.RawMessage, *secretUse) (any, error)) call.Handler {
	return func(ctx context.Context, req *call.Request) (any, error) {
		var use secretUse
		output, err := do(ctx, req.Input(), &use)
		err = publicSecretError(err)
		attrs := []any{"operation", req.Operation(), "identity", req.Identity().ID}
		if use.path != "" {
			attrs = append(attrs, "path", use.path, "type", use.kind)
		}
		if use.version != 0 {
			attrs = append(attrs, "version", use.version)
		}
		if err != nil {
			s.logger.Warn("secrets", append(attrs, "code", call.CodeOf(err))...)
			return nil, err
		}
		s.logger.Info("secrets", attrs...)
		return output, nil
	}
}

// publicSecretError gives an error of the store its code in the call protocol:
//
//	LOCKED, CLOSED                        LOCKED
//	INVALID_PATH, DECRYPTION_FAILED,      the same, as the specs declare them
//	UNKNOWN_KEY_VERSION, NOT_EXPORTABLE
//	INVALID_INPUT                         INVALID_INPUT
//	RESOURCE_EXHAUSTED, MEMORY_LOCK       RESOURCE_EXHAUSTED, not retryable
//
// The messages hold no secret. What is no error of the store stays as it is.
func publicSecretError(err error) error {
	var e *secret.Error
	if !errors.As(err, &e) {
		return err
	}
	code := call.Code(e.Code)
	switch e.Code {
	case secret.Closed:
		code = codeLocked
	case secret.MemoryLock:
		code = call.ResourceExhausted
	}
	return &call.Error{Code: code, Message: e.Message}
}

// keyInput names a key in an operation's input.
type keyInput struct {
	Path string         `json:"path"`
	Type secret.KeyType `json:"type"`
}

// key names a key that callers may use.
func (s *secrets) key(in keyInput, use *secretUse) (service.SecretKey, error) {
	path, err := secret.ParsePath(in.Path)
	if err != nil {
		return service.SecretKey{}, err
	}
	if in.Type == "" {
		in.Type = secret.Ed25519
	}
	use.path, use.kind = path.String(), in.Type
	if !mayUse(s.paths, path) {
		return service.SecretKey{}, call.Errorf(call.Forbidden, "the key at this path is not for callers")
	}
	return service.SecretKey{Path: path.String(), Type: string(in.Type)}, nil
}

func (s *secrets) publicKey(ctx context.Context, input json.RawMessage, use *secretUse) (any, error) {
	var in keyInput
	if err := decodeSecretInput(input, &in); err != nil {
		return nil, err
	}
	key, err := s.key(in, use)
	if err != nil {
		return nil, err
	}
	public, err := s.service.PublicKey(ctx, key)
	if err != nil {
		return nil, err
	}
	return keyOutput{Path: key.Path, Type: key.Type, PublicKey: public}, nil
}

// keyOutput is a key in an operation's output.
type keyOutput struct {
	Path      string `json:"path"`
	Type      string `json:"type"`
	PublicKey []byte `json:"publicKey,omitempty"`
}

func (s *secrets) sign(ctx context.Context, input json.RawMessage, use *secretUse) (any, error) {
	var in struct {
		keyInput
		Message strictBase64 `json:"message"`
	}
	if err := decodeSecretInput(input, &in); err != nil {
		return nil, err
	}
	defer clear(in.Message)
	if err := checkSize(in.Message); err != nil {
		return nil, err
	}
	key, err := s.key(in.keyInput, use)
	if err != nil {
		return nil, err
	}
	public, err := s.service.PublicKey(ctx, key)
	if err != nil {
		return nil, err
	}
	signature, err := s.service.Sign(ctx, key, in.Message)
	if err != nil {
		return nil, err
	}
	return struct {
		Signature []byte `json:"signature"`
		PublicKey []byte `json:"publicKey"`
	}{signature, public}, nil
}

func (s *secrets) encrypt(ctx context.Context, input json.RawMessage, use *secretUse) (any, error) {
	var in struct {
		Plaintext strictBase64 `json:"plaintext"`
		Version   uint32       `json:"version"`
	}
	in.Version = secret.CurrentKeyVersion
	if err := decodeSecretInput(input, &in); err != nil {
		return nil, err
	}
	defer clear(in.Plaintext)
	if err := checkSize(in.Plaintext); err != nil {
		return nil, err
	}
	use.version = in.Version
	if credential.IsEntry(in.Plaintext) {
		return nil, call.Errorf(call.Forbidden, "this is a credential of a node: it is sealed by `alknet credential add`, not for callers")
	}
	if _, err := secret.SealingPath(in.Version); err != nil {
		return nil, err // 0 would mean the current one
	}
	sealed, err := s.service.Encrypt(ctx, in.Plaintext, in.Version)
	if err != nil {
		return nil, err
	}
	return encryptedOf(sealed), nil
}

func (s *secrets) decrypt(ctx context.Context, input json.RawMessage, use *secretUse) (any, error) {
	sealed, err := secret.ParseEncryptedData(input)
	if err != nil {
		return nil, err
	}
	use.version = sealed.KeyVersion
	plaintext, err := s.service.Decrypt(ctx, service.Sealed{KeyVersion: sealed.KeyVersion, Salt: sealed.Salt, IV: sealed.IV, Data: sealed.Data})
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	if credential.IsEntry(plaintext) {
		return nil, call.Errorf(call.Forbidden, "this is a credential of the node, which does not leave it")
	}
	return jsonWithBytes(`{"plaintext":"`, plaintext, `"}`), nil
}

func (s *secrets) derive(_ context.Context, input json.RawMessage, use *secretUse) (any, error) {
	var in keyInput
	if err := decodeSecretInput(input, &in); err != nil {
		return nil, err
	}
	key, err := s.key(in, use)
	if err != nil {
		return nil, err
	}
	h, err := storeService{s.store, s.paths}.handle(key)
	if err != nil {
		return nil, err
	}
	public, err := json.Marshal(keyOutput{Path: key.Path, Type: key.Type, PublicKey: h.PublicKey()})
	if err != nil {
		return nil, err
	}
	private, err := h.ExportPrivateKey()
	if err != nil {
		return nil, err
	}
	defer clear(private)
	return jsonWithBytes(string(public[:len(public)-1])+`,"privateKey":"`, private, `"}`), nil
}
