package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/internal/service"
	"github.com/alkdev/alknet/go/secret"
)

// HandlerCredentials gives a provider to a node's handlers (Registry.SetCredentials).
// What they get is a credential.Credential. It goes no further than this process, and
// what is told of its use names the operation and its caller.
func HandlerCredentials(provider credential.Provider) call.CredentialProvider {
	return handlerCredentials{provider}
}

type handlerCredentials struct{ provider credential.Provider }

func (h handlerCredentials) Credential(ctx context.Context, r *call.Request, service string) (call.Credential, error) {
	user := credential.User{Operation: r.Operation()}
	if id := r.Identity(); id != nil {
		user.Identity = id.ID
	}
	c, err := h.provider.Get(credential.WithUser(ctx, user), service)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AuditCredentials is for credential.Config.OnEvent: it writes each event to the
// record and to the log, for whom and why it failed, never a value. Both may be nil.
func AuditCredentials(record *audit.Log, logger *slog.Logger) func(credential.Event) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return func(e credential.Event) {
		record.Record(audit.Event{
			Time: e.Time, Event: "credential", Action: string(e.Action), Service: e.Service, Type: string(e.Type),
			Operation: e.User.Operation, Identity: e.User.Identity, Code: string(e.Code),
		})
		attrs := []any{"action", e.Action, "service", e.Service}
		if e.User.Operation != "" {
			attrs = append(attrs, "operation", e.User.Operation, "identity", e.User.Identity)
		}
		if e.Code != "" {
			logger.Warn("credential", append(attrs, "code", e.Code)...)
			return
		}
		logger.Info("credential", attrs...)
	}
}

// ServiceSealer is a credential.Sealer of the store behind a SecretService.
func ServiceSealer(s service.SecretService) credential.Sealer { return serviceSealer{s} }

type serviceSealer struct{ service service.SecretService }

func (s serviceSealer) Encrypt(ctx context.Context, plaintext []byte) (secret.EncryptedData, error) {
	sealed, err := s.service.Encrypt(ctx, plaintext, secret.CurrentKeyVersion)
	return encryptedOf(sealed), sealerError(err)
}

func (s serviceSealer) Decrypt(ctx context.Context, sealed secret.EncryptedData) ([]byte, error) {
	plaintext, err := s.service.Decrypt(ctx, service.Sealed{KeyVersion: sealed.KeyVersion, Salt: sealed.Salt, IV: sealed.IV, Data: sealed.Data})
	return plaintext, sealerError(err)
}

// sealerError gives the codes that a store has their kind back, which they lost on the
// way from its process.
func sealerError(err error) error {
	var e *call.Error
	if !errors.As(err, &e) {
		return err
	}
	switch code := secret.Code(e.Code); code {
	case secret.Locked, secret.DecryptionFailed, secret.UnknownKeyVersion, secret.ResourceExhausted:
		return &secret.Error{Code: code, Message: e.Message}
	}
	return err
}
