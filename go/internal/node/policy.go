package node

import (
	"context"
	"time"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// Policy is what a head decides by, and what can be replaced as a whole while it
// runs. It is not changed after it was given to a head.
type Policy struct {
	// Provider says who may connect.
	Provider auth.IdentityProvider
	// AllowAnonymous lets callers without a known credential reach operations
	// without requirements.
	AllowAnonymous bool
	// Access are rules of this node's own, for its operations and those behind it; nil
	// leaves those that the registry has.
	Access []call.AccessRule
	// Admission bounds what strangers may cost.
	Admission admission.Limits
	// Limits of each session that opens from now on; the zero value means the defaults.
	Limits call.Limits
	// Drain is how long Shutdown lets calls finish: 0 means DefaultDrain.
	Drain time.Duration
}

// Policy returns what the head decides by now.
func (h *Head) Policy() Policy { return *h.policy.Load() }

// SetPolicy puts another policy in the place of the present one, without a lock on
// the way of a decision. When it returns, every session whose credential is not good
// any more is ending, and the others have the scopes that their credentials have
// now. It reports how many sessions were ended. A bad access rule changes nothing.
func (h *Head) SetPolicy(p Policy) (ended int, err error) {
	if p.Access != nil {
		if err := h.cfg.Registry.SetAccessRules(p.Access); err != nil {
			return 0, err
		}
	}
	h.kept.SetLimits(p.Limits)
	h.policy.Store(&p)
	return h.Recheck(), nil
}

// Recheck asks the provider again about every session: it is for a provider that
// changes by itself, such as a KeySet. It reports how many sessions were ended.
func (h *Head) Recheck() (ended int) {
	for _, s := range h.Sessions() {
		if !h.recheck(s) {
			ended++
		}
	}
	h.table.Recheck()
	return ended
}

// recheck reports whether a session may go on.
func (h *Head) recheck(s *Session) bool {
	s.judging.Lock() // an older answer must not come after a newer one
	defer s.judging.Unlock()
	policy := h.policy.Load()
	ctx := auth.ContextWithRemote(context.Background(), s.Remote)
	renewer, _ := policy.Provider.(auth.Renewer)
	old := s.Identity()
	if old == nil && !policy.AllowAnonymous {
		h.revoke(s)
		return false
	}
	if old != nil {
		now, err := old, error(nil)
		if renewer != nil {
			now, err = renewer.Renew(ctx, old)
		} else if s.Key != nil {
			now, err = policy.Provider.IdentityFromKey(ctx, s.Key)
		}
		if err != nil || now.ID != old.ID {
			h.revoke(s)
			return false
		}
		s.SetIdentity(now)
		s.watchExpiry(now.Expires)
	}
	s.Recheck(func(id *auth.Identity) (*auth.Identity, error) {
		if renewer == nil {
			return id, nil // the provider cannot tell
		}
		return renewer.Renew(ctx, id)
	})
	return true
}

// revoke ends a session, on a goroutine of its own: the other side is told first.
func (h *Head) revoke(s *Session) {
	id := ""
	if identity := s.Identity(); identity != nil {
		id = identity.ID
	}
	s.revoking.Do(func() {
		h.cfg.Logger.Warn("session revoked", "identity", id, "addr", auth.Host(s.Remote), "transport", s.Transport)
		go s.End(call.Errorf(call.Unauthenticated, "the credential of this session is not accepted any more"))
	})
}

// stopWatching ends what watchExpiry has begun, for good.
func (s *Session) stopWatching() {
	s.judging.Lock()
	defer s.judging.Unlock()
	s.ended = true
	s.watchExpiry(time.Time{})
}

// watchExpiry has the session judged again when its credential ends; zero is never.
// The caller holds judging.
func (s *Session) watchExpiry(at time.Time) {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	if !at.IsZero() && !s.ended {
		s.expiry = time.AfterFunc(time.Until(at), s.onExpiry)
	}
}
