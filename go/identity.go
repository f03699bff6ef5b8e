package alknet

import (
	"context"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// Identity is who is calling. Fields: ID string (the fingerprint of a key, or what another
// kind of credential names), Scopes []string, Resources map[string][]string (ids by type),
// Expires time.Time (of the credential; zero is never). A nil *Identity is an anonymous
// caller.
type Identity = auth.Identity

// IdentityProvider turns keys and tokens into identities. It rejects with an error that
// wraps [ErrUnauthenticated]. Methods: IdentityFromKey(ctx, ed25519.PublicKey) and
// IdentityFromToken(ctx, string), both returning (*Identity, error).
type IdentityProvider = auth.IdentityProvider

// ErrUnauthenticated is wrapped by the errors of an [IdentityProvider] that rejects.
var ErrUnauthenticated = auth.ErrUnauthenticated

// AuthorizedKeys reads the text of an authorized_keys file (sshd(8)) of Ed25519 keys and
// certificate authorities. The options scopes="a,b" and resources="type=id,…" grant rights;
// keys without scopes get the default scopes.
func AuthorizedKeys(data []byte, defaultScopes ...string) (IdentityProvider, error) {
	grants, err := auth.ParseAuthorizedKeys("authorized_keys", data)
	if err != nil {
		return nil, err
	}
	return auth.NewKeySet(grants, defaultScopes), nil
}

// Spec describes an operation. Fields: Name ("/namespace/operation"), Type ([TypeQuery],
// the default, [TypeMutation] or [TypeSubscription]), Description, Version, InputSchema and
// OutputSchema (JSON Schema 2020-12 as json.RawMessage; absent allows anything),
// ErrorSchemas (by code), AccessControl [AccessControl], Visibility
// ("external", the default, or "internal": other handlers of this node alone), Tags.
type Spec = call.OperationSpec

// AccessControl says who may call an operation. Fields: RequiredScopes (all),
// RequiredScopesAny (one), ResourceType, ResourceAction, ResourceIDPath (a JSON pointer,
// RFC 6901, to the input's member with the resource's id). The zero value allows everyone
// who may connect.
type AccessControl = call.AccessControl

// The types of operations.
const (
	TypeQuery        = call.TypeQuery        // reads; may be retried
	TypeMutation     = call.TypeMutation     // changes something
	TypeSubscription = call.TypeSubscription // answers with any number of events
)

// Limits bound the cost of one session; the zero value of each field means its default.
// Fields: MaxFrame (bytes; 16 MiB, at most 64 MiB), MaxInFlight (requests of the peer;
// 1,024), MaxQueued (bytes that wait to be sent, and bytes of inputs in flight; 64 MiB),
// MaxWaiting (requests of this side that wait until the peer has room for them; 131,072,
// and less than 0 refuses them at once),
// OpenTimeout (5 s), PingInterval (20 s) and DeadAfter (60 s).
type Limits = call.Limits

// Credential signs in to a service. It holds no secret itself and shows none when printed.
// Methods: Service() string, Text(name) string, Secret(ctx, name) ([]byte, error) and
// Reveal(ctx) ([]byte, error), whose results the caller wipes.
type Credential = call.Credential

// CredentialProvider gives handlers their credentials. It is safe for concurrent use.
type CredentialProvider interface {
	// Credential returns the credential of a service for the handler of req.
	Credential(ctx context.Context, req *Request, service string) (Credential, error)
}

// credentialProvider is a CredentialProvider for the registry.
type credentialProvider struct{ provider CredentialProvider }

func (p credentialProvider) Credential(ctx context.Context, r *call.Request, service string) (call.Credential, error) {
	return p.provider.Credential(ctx, &Request{r}, service)
}
