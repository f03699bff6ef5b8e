package auth

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
)

// Within returns what both c and limit accept, and no more: of each key, API key and
// authority the scopes, resources, addresses and times that both give. What either
// revokes is revoked. Replays is that of c.
func (c Credentials) Within(limit Credentials) Credentials {
	// Own scopes are compared, not whether they are the default ones.
	grants, limits := ownScopes(c), ownScopes(limit)
	out := Credentials{Grants: []Grant{}, APIKeys: []APIKey{}, DefaultScopes: []string{}, Replays: c.Replays}
	for _, grant := range grants {
		for _, other := range limits {
			if grant.CertAuthority == other.CertAuthority && bytes.Equal(grant.Key, other.Key) && bytes.Equal(grant.Authority, other.Authority) {
				if both, ok := grant.within(other); ok {
					out.Grants = append(out.Grants, both)
				}
			}
		}
	}
	for _, key := range c.APIKeys {
		for _, other := range limit.APIKeys {
			if key.Prefix == other.Prefix && key.Hash == other.Hash {
				key.Scopes, key.Resources, key.Expires = commonScopes(key.Scopes, other.Scopes), commonResources(key.Resources, other.Resources), earlier(key.Expires, other.Expires)
				out.APIKeys = append(out.APIKeys, key)
			}
		}
	}
	out.Revoked = slices.Concat(c.Revoked, limit.Revoked)
	out.RevokedAuthorities = slices.Concat(c.RevokedAuthorities, limit.RevokedAuthorities)
	return out
}

func ownScopes(c Credentials) []Grant {
	grants := slices.Clone(c.Grants)
	for i := range grants {
		if grants[i].Scopes == nil {
			grants[i].Scopes = append([]string{}, c.DefaultScopes...)
		}
	}
	return grants
}

// within returns what two grants of one key both give. ok is false where that is
// nothing at all.
func (g Grant) within(other Grant) (both Grant, ok bool) {
	g.Scopes, g.Resources, g.Expires = commonScopes(g.Scopes, other.Scopes), commonResources(g.Resources, other.Resources), earlier(g.Expires, other.Expires)
	g.NoForwarding = g.NoForwarding || other.NoForwarding
	switch {
	case g.Principals == nil:
		g.Principals = other.Principals
	case other.Principals != nil:
		if g.Principals = common(g.Principals, other.Principals); len(g.Principals) == 0 {
			return g, false
		}
	}
	switch {
	case len(g.From) == 0:
		g.From = other.From
	case len(other.From) > 0:
		if g.From = commonNetworks(g.From, other.From); len(g.From) == 0 {
			return g, false
		}
	}
	g.NotFrom = slices.Concat(g.NotFrom, other.NotFrom)
	return g, true
}

// commonScopes returns the scopes that both lists cover, patterns included.
func commonScopes(a, b []string) []string {
	out := []string{}
	for _, pair := range [][2][]string{{a, b}, {b, a}} {
		covering := &Identity{Scopes: pair[1]}
		for _, scope := range pair[0] {
			if covering.HasScope(scope) && !slices.Contains(out, scope) {
				out = append(out, scope)
			}
		}
	}
	return out
}

func commonResources(a, b map[string][]string) map[string][]string {
	out := maps.Clone(a)
	for kind, ids := range out {
		out[kind] = common(ids, b[kind])
	}
	return out
}

func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

func commonNetworks(a, b []netip.Prefix) (out []netip.Prefix) {
	for _, x := range a {
		for _, y := range b {
			if x.Overlaps(y) { // then one holds the other
				narrower := x
				if y.Bits() > x.Bits() {
					narrower = y
				}
				out = append(out, narrower)
			}
		}
	}
	return out
}
