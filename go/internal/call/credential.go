package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Credential is what a handler signs in elsewhere with: a handle that holds no secret,
// and shows none where it is printed or marshalled. The concrete type is the
// provider's, which can tell more.
type Credential interface {
	// Service is what it signs in to.
	Service() string
	// Text returns a part that is no secret; "" where there is none.
	Text(name string) string
	// Secret opens a secret part, the caller's to wipe.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Reveal returns the whole credential with its secrets as a JSON object, the
	// caller's to wipe.
	Reveal(ctx context.Context) ([]byte, error)
}

// CredentialProvider gives a node's handlers their credentials. It is safe for
// concurrent use.
type CredentialProvider interface {
	// Credential returns the credential of a service for the handler of r.
	Credential(ctx context.Context, r *Request, service string) (Credential, error)
}

// ErrNoCredentials is what handlers get where the node has no provider.
var ErrNoCredentials = errors.New("UNAVAILABLE: this node has no credentials for its handlers: give its registry a provider of them (SetCredentials), or start `alknet serve` or `alknet worker` with a secret store")

// ErrCredentialNotListed is wrapped by what a handler gets for a service that its
// registration does not list.
var ErrCredentialNotListed = errors.New("FORBIDDEN: the handler's registration does not list this service's credential (WithCredentials)")

// WithCredentials lists the services whose credentials the handler may use. Default:
// none, so that what a caller writes into an input cannot choose among the node's
// credentials.
func WithCredentials(services ...string) HandleOption {
	return func(op *operation) error {
		for _, service := range services {
			if service == "" {
				return errors.New("the credential of a service without a name")
			}
		}
		op.credentials = append(op.credentials, services...)
		return nil
	}
}

// SetCredentials gives the node's handlers their credentials; nil takes them back.
func (r *Registry) SetCredentials(p CredentialProvider) {
	if p == nil {
		r.credentials.Store(nil)
		return
	}
	r.credentials.Store(&p)
}

// Credentials returns what this node signs in to a service with, for the handler of r
// and no further than this process: no operation gives a credential to another node.
// Errors are ErrNoCredentials, ErrCredentialNotListed and those of the provider. They
// are for the node's owner: a handler that returns one answers INTERNAL.
func (r *Request) Credentials(ctx context.Context, service string) (Credential, error) {
	if !slices.Contains(r.op.credentials, service) {
		return nil, fmt.Errorf("%w: %.80q, for %s", ErrCredentialNotListed, service, r.Operation())
	}
	provider := r.registry.credentials.Load()
	if provider == nil {
		return nil, ErrNoCredentials
	}
	return (*provider).Credential(ctx, r, service)
}
