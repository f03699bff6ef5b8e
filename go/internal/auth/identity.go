package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"time"
)

// Identity is who is calling. A nil *Identity is an anonymous caller.
type Identity struct {
	// ID is the fingerprint of a key, or the name that another kind of credential
	// gives; equal ids are the same person.
	ID string `json:"id"`
	// Scopes are compared exactly; a granted "fs:*" covers "fs:read".
	Scopes []string `json:"scopes"`
	// Resources lists, by type, the ids of the resources that the identity may name.
	Resources map[string][]string `json:"resources,omitempty"`
	// Expires is when the credential ends that the identity came from; zero is never.
	Expires time.Time `json:"-"`
	// NoForwarding says that the credential forbids tunnels, whatever its scopes: a
	// certificate without permit-port-forwarding, or a key with no-port-forwarding.
	NoForwarding bool `json:"-"`

	via *credential // what KeySet.Renew looks up again; nil of other providers
}

// HasScope reports whether a granted scope covers the required one.
func (i *Identity) HasScope(required string) bool {
	if i == nil {
		return false
	}
	for _, granted := range i.Scopes {
		if granted == required {
			return true
		}
		if prefix, ok := strings.CutSuffix(granted, "*"); ok && strings.HasSuffix(prefix, ":") && strings.HasPrefix(required, prefix) {
			return true
		}
	}
	return false
}

// HasResource reports whether the identity may name the resource id of a type.
func (i *Identity) HasResource(kind, id string) bool {
	return i != nil && slices.Contains(i.Resources[kind], id)
}

// ErrUnauthenticated is wrapped by every error of an IdentityProvider that means
// the credential was looked at and refused.
var ErrUnauthenticated = errors.New("unauthenticated")

// RejectError says, for the log and never for the peer, why a credential was
// refused.
type RejectError struct {
	// Reason is one word.
	Reason string
	// Claimed is the id that the credential would have given, as far as it could be
	// read: a fingerprint, or the prefix of an API key.
	Claimed string
	// Skew is how far a token's time is ahead of this clock, where that is why it was
	// refused and its signature is right: two clocks differ, or the token is old.
	Skew time.Duration
}

func reject(reason string) *RejectError { return &RejectError{Reason: reason} }

// claimed adds to a refusal whose credential it was of.
func claimed(id *Identity, err error, claim string) (*Identity, error) {
	var rejected *RejectError
	if errors.As(err, &rejected) {
		return nil, &RejectError{rejected.Reason, claim, rejected.Skew}
	}
	return id, err
}

// Error returns the reason.
func (e *RejectError) Error() string { return "credential refused: " + e.Reason }

// Unwrap returns ErrUnauthenticated.
func (e *RejectError) Unwrap() error { return ErrUnauthenticated }

// IdentityProvider turns a credential into an identity. Both methods are safe for
// concurrent use, and refuse with an error that wraps ErrUnauthenticated.
type IdentityProvider interface {
	IdentityFromKey(ctx context.Context, key ed25519.PublicKey) (*Identity, error)
	IdentityFromToken(ctx context.Context, token string) (*Identity, error)
}

// CertificateProvider is an IdentityProvider that can accept OpenSSH certificates.
type CertificateProvider interface {
	// AcceptsCertificates reports whether there is an authority whose certificates are
	// accepted; without one, a key that is not known need not be heard any further.
	AcceptsCertificates() bool
	// IdentityFromCertificate returns the identity of the holder of a certificate.
	// proven is the key that a handshake has proven, which must be the certified one;
	// where it is nil, token must be signed with the certified key.
	IdentityFromCertificate(ctx context.Context, certificate string, proven ed25519.PublicKey, token string) (*Identity, error)
}

// Renewer is an IdentityProvider that can say what has become of an identity that it
// once gave: it may have other scopes by now, or none, because it was revoked.
type Renewer interface {
	Renew(ctx context.Context, id *Identity) (*Identity, error)
}
