package call

import (
	"encoding/json"
	"sync"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

// checkForwarded reads forwardedFor, where a request has it: its form comes before
// everything else that is checked.
func (s *Session) checkForwarded(p *params) (*auth.Identity, *Error) {
	if p.forwarded == nil {
		return nil, nil
	}
	if !s.cfg.TrustForwarded { // it will be FORBIDDEN: not worth a place among those that are remembered
		if _, ok := parseIdentity(p.forwarded); !ok {
			return nil, errForwarded()
		}
		return nil, nil
	}
	return s.identities.parse(p.forwarded)
}

// caller returns on whose behalf a request is made: the other side of the session, or
// whom a head that this node has pinned passes it on for. forwarded is what
// checkForwarded gave.
func (s *Session) caller(p *params, forwarded *auth.Identity) (*auth.Identity, *Error) {
	switch {
	case p.forwarded == nil:
		return s.id.Load(), nil
	case !s.cfg.TrustForwarded:
		return nil, Errorf(Forbidden, "forwardedFor is believed only of a head whose key this node has pinned in the address that it connects to")
	}
	return forwarded, nil
}

func errForwarded() *Error {
	return Errorf(InvalidInput, "the request's member %q is malformed", "forwardedFor")
}

// parseIdentity reads a forwardedFor: an identity, or null for an anonymous caller.
// Members other than id, scopes and resources are left out.
func parseIdentity(text []byte) (*auth.Identity, bool) {
	if string(text) == "null" {
		return nil, true
	}
	var id auth.Identity
	ok := true
	var names wire.Names
	whole := wire.Members(text, func(name, value []byte) {
		good := true
		switch string(name) {
		case "id":
			id.ID, good = wire.Text(value)
			good = good && names.Add(name)
		case "scopes":
			id.Scopes, good = texts(value)
			good = good && names.Add(name)
		case "resources":
			id.Resources, good = resources(value)
			good = good && names.Add(name)
		}
		ok = ok && good
	})
	if !whole || !ok || id.ID == "" {
		return nil, false
	}
	if id.Scopes == nil {
		id.Scopes = []string{}
	}
	return &id, true
}

// texts reads an array of strings; null is none.
func texts(text []byte) ([]string, bool) {
	if string(text) == "null" {
		return nil, true
	}
	list, ok := []string{}, true
	whole := wire.Items(text, func(value []byte) {
		item, good := wire.Text(value)
		list, ok = append(list, item), ok && good
	})
	return list, whole && ok
}

// resources reads an object of arrays of strings; null is none.
func resources(text []byte) (map[string][]string, bool) {
	if string(text) == "null" {
		return nil, true
	}
	all, ok := map[string][]string{}, true
	var names wire.Names
	whole := wire.Members(text, func(name, value []byte) {
		list, good := texts(value)
		ok = ok && good && names.Add(name)
		all[string(name)] = list
	})
	return all, whole && ok
}

// identityText gives an identity as forwardedFor.
func (s *Session) identityText(id *auth.Identity) []byte {
	if id == nil {
		return []byte("null")
	}
	return s.identities.text(id)
}

// identityCache spares decoding and encoding the same few identities for each
// request that is passed on. Identities are never changed once they are made.
type identityCache struct {
	mu     sync.Mutex
	parsed map[string]*auth.Identity
	last   *auth.Identity
	encode []byte // last as JSON
}

const (
	maxIdentities   = 256     // that are remembered of one session
	maxIdentityText = 4 << 10 // bytes of one that is remembered
)

func (c *identityCache) parse(text []byte) (*auth.Identity, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.parsed[string(text)]; ok {
		return id, nil
	}
	id, ok := parseIdentity(text)
	if !ok {
		return nil, errForwarded()
	}
	if len(text) <= maxIdentityText {
		if c.parsed == nil || len(c.parsed) >= maxIdentities {
			c.parsed = map[string]*auth.Identity{}
		}
		c.parsed[string(text)] = id
	}
	return id, nil
}

func (c *identityCache) text(id *auth.Identity) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != c.last {
		text, err := json.Marshal(id)
		if err != nil {
			text = []byte("null") // strings alone: it does not fail
		}
		c.last, c.encode = id, text
	}
	return c.encode
}
