package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/principal"
)

// tokenWindow is how far a token's time may be from ours: a stolen token is of use
// no longer than this.
const tokenWindow = 300 // s

// KeySet is the set of authorized keys. It is an IdentityProvider, safe for
// concurrent use; lookups take no lock and see a replacement as a whole.
type KeySet struct {
	current atomic.Pointer[keys]
	now     func() time.Time
}

type keys struct {
	grants        map[[32]byte]Grant // by KeyID
	defaultScopes []string
}

// NewKeySet makes a set; keys without scopes of their own get defaultScopes. When a
// key is granted twice the last grant holds.
func NewKeySet(grants []Grant, defaultScopes []string) *KeySet {
	s := &KeySet{now: time.Now}
	s.Replace(grants, defaultScopes)
	return s
}

// Replace puts another set in the place of the present one, at once and as a whole.
// Sessions that are open are not affected.
func (s *KeySet) Replace(grants []Grant, defaultScopes []string) {
	next := &keys{grants: make(map[[32]byte]Grant, len(grants)), defaultScopes: slices.Clone(defaultScopes)}
	for _, grant := range grants {
		next.grants[KeyID(grant.Key)] = grant
	}
	s.current.Store(next)
}

// IdentityFromKey returns the identity of a key that a handshake has proven.
func (s *KeySet) IdentityFromKey(ctx context.Context, key ed25519.PublicKey) (*Identity, error) {
	set := s.current.Load()
	// The map is indexed by a hash, whose lookup time tells nothing useful of the
	// keys in it; the key itself is compared in constant time.
	grant, ok := set.grants[KeyID(key)]
	if !ok || subtle.ConstantTimeCompare(grant.Key, key) != 1 {
		return nil, &RejectError{"unknown-key"}
	}
	return s.identity(ctx, set, grant)
}

// IdentityFromToken returns the identity of the key that signed a token within
// 300 s of now.
func (s *KeySet) IdentityFromToken(ctx context.Context, text string) (*Identity, error) {
	token, err := ParseToken(text)
	if err != nil {
		return nil, &RejectError{"malformed-token"}
	}
	set := s.current.Load()
	grant, ok := set.grants[token.KeyID()]
	if !ok {
		return nil, &RejectError{"unknown-key"}
	}
	if !token.Verify(grant.Key) {
		return nil, &RejectError{"bad-signature"}
	}
	now, made := uint64(s.now().Unix()), token.Timestamp()
	if made > now+tokenWindow || now > made && now-made > tokenWindow {
		return nil, &RejectError{"token-expired"}
	}
	return s.identity(ctx, set, grant)
}

func (s *KeySet) identity(ctx context.Context, set *keys, grant Grant) (*Identity, error) {
	if !grant.Expires.IsZero() && !s.now().Before(grant.Expires) {
		return nil, &RejectError{"key-expired"}
	}
	if len(grant.From) > 0 {
		addr, ok := peerAddr(ctx)
		if !ok || !slices.ContainsFunc(grant.From, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return nil, &RejectError{"source-address"}
		}
	}
	scopes := grant.Scopes
	if scopes == nil {
		scopes = set.defaultScopes
	}
	if scopes == nil {
		scopes = []string{}
	}
	return &Identity{ID: principal.Fingerprint(grant.Key), Scopes: scopes, Resources: grant.Resources}, nil
}
