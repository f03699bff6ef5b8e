package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/principal"
)

// tokenWindow is how far a token's time may be from ours: a stolen token is of use
// no longer than this.
const tokenWindow = 300 // s

// Credentials is everything that a KeySet accepts.
type Credentials struct {
	// Grants are the authorized keys and authorities. When a key is granted twice it has
	// what both grants give; of an authority's grants, the first that fits a certificate
	// holds.
	Grants []Grant
	// APIKeys are the API keys.
	APIKeys []APIKey
	// Revoked are keys that are refused whatever else says: users' keys, certified
	// keys and authorities' keys.
	Revoked []ed25519.PublicKey
	// RevokedAuthorities are authorities' keys of other types, in their wire form.
	RevokedAuthorities [][]byte
	// DefaultScopes are those of keys and authorities without scopes of their own.
	DefaultScopes []string
	// Replays takes each token once only; nil takes it again until it expires.
	Replays *ReplayWindow
}

// KeySet is the set of accepted credentials. It is an IdentityProvider, a
// CertificateProvider and a Renewer, safe for concurrent use; lookups take no lock
// and see a replacement as a whole.
type KeySet struct {
	current atomic.Pointer[keys]
	now     func() time.Time
}

type keys struct {
	grants             map[[32]byte]Grant // by KeyID
	authorities        map[authorityID][]Grant
	apiKeys            map[string]APIKey // by prefix
	revoked            map[[32]byte]struct{}
	revokedAuthorities map[authorityID]struct{}
	defaultScopes      []string
	replays            *ReplayWindow
}

// credential is what an identity came from.
type credential struct {
	key         ed25519.PublicKey // of a key, a token or a certificate
	certificate *ssh.Certificate
	prefix      string // of an API key
	hash        [sha256.Size]byte
}

// NewKeySet makes a set of authorized keys; those without scopes of their own get
// defaultScopes.
func NewKeySet(grants []Grant, defaultScopes []string) *KeySet {
	return NewCredentialSet(Credentials{Grants: grants, DefaultScopes: defaultScopes})
}

// NewCredentialSet makes a set of credentials of every kind.
func NewCredentialSet(c Credentials) *KeySet {
	s := &KeySet{now: time.Now}
	s.ReplaceAll(c)
	return s
}

// Replace puts authorized keys alone in the place of the present set.
func (s *KeySet) Replace(grants []Grant, defaultScopes []string) {
	s.ReplaceAll(Credentials{Grants: grants, DefaultScopes: defaultScopes})
}

// ReplaceAll puts another set in the place of the present one, at once and as a
// whole. Sessions that are open are for their owner to check again, with Renew.
func (s *KeySet) ReplaceAll(c Credentials) {
	next := &keys{
		grants: make(map[[32]byte]Grant, len(c.Grants)), authorities: map[authorityID][]Grant{}, apiKeys: make(map[string]APIKey, len(c.APIKeys)),
		revoked: make(map[[32]byte]struct{}, len(c.Revoked)), revokedAuthorities: map[authorityID]struct{}{}, defaultScopes: slices.Clone(c.DefaultScopes), replays: c.Replays,
	}
	for _, grant := range c.Grants {
		if grant.CertAuthority {
			id := grant.authority()
			next.authorities[id] = append(next.authorities[id], grant)
			continue
		}
		id := KeyID(grant.Key)
		if known, twice := next.grants[id]; twice {
			var ok bool
			if grant, ok = next.own(known).within(next.own(grant)); !ok {
				next.revoked[id] = struct{}{}
			}
		}
		next.grants[id] = grant
	}
	for _, key := range c.APIKeys {
		next.apiKeys[key.Prefix] = key
	}
	for _, key := range c.Revoked {
		next.revoked[KeyID(key)] = struct{}{}
		next.revokedAuthorities[authorityOfEd25519(key)] = struct{}{}
	}
	for _, wire := range c.RevokedAuthorities {
		next.revokedAuthorities[sha256.Sum256(wire)] = struct{}{}
	}
	s.current.Store(next)
}

// own gives a grant the scopes that it has.
func (k *keys) own(grant Grant) Grant {
	if grant.Scopes == nil {
		grant.Scopes = append([]string{}, k.defaultScopes...)
	}
	return grant
}

func (k *keys) isRevoked(key ed25519.PublicKey) bool {
	_, revoked := k.revoked[KeyID(key)]
	return revoked
}

// IdentityFromKey returns the identity of a key that a handshake has proven.
func (s *KeySet) IdentityFromKey(ctx context.Context, key ed25519.PublicKey) (*Identity, error) {
	id, err := s.fromKey(ctx, s.current.Load(), key)
	return claimed(id, err, principal.Fingerprint(key))
}

func (s *KeySet) fromKey(ctx context.Context, set *keys, key ed25519.PublicKey) (*Identity, error) {
	// The map is indexed by a hash, whose lookup time tells nothing useful of the
	// keys in it; the key itself is compared in constant time.
	grant, ok := set.grants[KeyID(key)]
	switch {
	case set.isRevoked(key):
		return nil, reject("revoked-key")
	case !ok || subtle.ConstantTimeCompare(grant.Key, key) != 1:
		return nil, reject("unknown-key")
	}
	return s.identity(ctx, set, grant, grant.Key)
}

// IdentityFromToken returns the identity of the key that signed a token within
// 300 s of now, or that of an API key.
func (s *KeySet) IdentityFromToken(ctx context.Context, text string) (*Identity, error) {
	set := s.current.Load()
	if looksLikeAPIKey(text) {
		prefix, hash, err := parseAPIKey(text)
		if err != nil {
			return nil, reject("malformed-api-key")
		}
		id, err := s.fromAPIKey(set, prefix, hash)
		return claimed(id, err, prefix)
	}
	token, err := ParseToken(text)
	if err != nil {
		return nil, reject("malformed-token")
	}
	grant, ok := set.grants[token.KeyID()]
	if !ok {
		// As much work as for a key that is known: the answer's time does not tell.
		_ = ed25519.Verify(standIn, token.raw[:tokenSigned], token.raw[tokenSigned:])
		return nil, reject("unknown-key")
	}
	var id *Identity
	if err = s.checkToken(set, token, grant.Key); err == nil {
		id, err = s.fromKey(ctx, set, grant.Key)
	}
	return claimed(id, err, principal.Fingerprint(grant.Key))
}

// standIn is verified against where there is no key: that of RFC 8032, section 7.1,
// test 1. To derive one would cost a millisecond whenever the addon is loaded.
var standIn = ed25519.PublicKey("\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a")

// checkToken checks that key has signed the token lately.
func (s *KeySet) checkToken(set *keys, token Token, key ed25519.PublicKey) error {
	if !token.Verify(key) {
		return reject("bad-signature")
	}
	now, made := uint64(s.now().Unix()), token.Timestamp()
	switch {
	case made > now+tokenWindow:
		return &RejectError{Reason: "token-of-the-future", Skew: skewOf(made, now)}
	case now > made && now-made > tokenWindow:
		return &RejectError{Reason: "token-expired", Skew: -skewOf(now, made)}
	case set.replays != nil:
		if reason := set.replays.take(token, int64(now)); reason != "" {
			return reject(reason)
		}
	}
	return nil
}

// skewOf is the time between two times in Unix seconds, at most 100 years.
func skewOf(later, earlier uint64) time.Duration {
	const most = 100 * 365 * 24 * 60 * 60
	return time.Duration(min(later-earlier, most)) * time.Second
}

func (s *KeySet) fromAPIKey(set *keys, prefix string, hash [sha256.Size]byte) (*Identity, error) {
	// The prefix is public; the hash is compared in constant time, and so is that of
	// no key at all.
	key, ok := set.apiKeys[prefix]
	same := subtle.ConstantTimeCompare(key.Hash[:], hash[:]) == 1
	switch {
	case !ok || !same:
		return nil, reject("unknown-api-key")
	case !key.Expires.IsZero() && !s.now().Before(key.Expires):
		return nil, reject("api-key-expired")
	}
	return &Identity{
		ID: key.Prefix, Scopes: append([]string{}, key.Scopes...), Resources: key.Resources, Expires: key.Expires,
		via: &credential{prefix: prefix, hash: hash},
	}, nil
}

// Renew implements Renewer: it asks again for the credential that the identity came
// from, without the proof that was given then.
func (s *KeySet) Renew(ctx context.Context, id *Identity) (*Identity, error) {
	set := s.current.Load()
	switch via := id.via; {
	case via == nil:
		return id, nil // of another provider, which knows better
	case via.certificate != nil:
		return s.fromCertificate(ctx, set, via.certificate, via.key)
	case via.prefix != "":
		return s.fromAPIKey(set, via.prefix, via.hash)
	default:
		return s.fromKey(ctx, set, via.key)
	}
}

// identity applies a grant to the key that it is for, or that its authority has
// certified.
func (s *KeySet) identity(ctx context.Context, set *keys, grant Grant, key ed25519.PublicKey) (*Identity, error) {
	if !grant.Expires.IsZero() && !s.now().Before(grant.Expires) {
		return nil, reject("key-expired")
	}
	if len(grant.From) > 0 {
		addr, ok := peerAddr(ctx)
		if !ok || !contains(grant.From, addr) || contains(grant.NotFrom, addr) {
			return nil, reject("source-address")
		}
	}
	scopes := grant.Scopes
	if scopes == nil {
		scopes = set.defaultScopes
	}
	if scopes == nil {
		scopes = []string{}
	}
	return &Identity{
		ID: principal.Fingerprint(key), Scopes: scopes, Resources: grant.Resources, Expires: grant.Expires, NoForwarding: grant.NoForwarding,
		via: &credential{key: key},
	}, nil
}
