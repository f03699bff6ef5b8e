package node

import (
	"reflect"
	"slices"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
)

// restrict takes away what the files of a reload that failed do not grant, and grants
// nothing that they add: a mistake in one line must not keep a key that another edit has
// taken out. next is what is right in the configuration, nil where nothing can be told of
// it. It reports how many sessions were ended.
func (s *Server) restrict(next *config.Config) (ended int) {
	if next == nil {
		next = s.current
	}
	found, _ := loadCredentials(next, s.cfg.Home, s.files)
	if s.cfg.Grants != nil {
		more, _ := s.cfg.Grants()
		found.Grants = append(found.Grants, more...)
	}
	accepted := s.Credentials().Within(found)
	policy := s.Policy()
	policy.Provider = auth.NewCredentialSet(accepted)
	policy.AllowAnonymous = policy.AllowAnonymous && next.Auth.AllowAnonymous
	policy.Access = slices.Clone(policy.Access) // a caller needs what all rules want
	for _, rule := range accessRules(next) {
		if !slices.ContainsFunc(policy.Access, func(known call.AccessRule) bool { return reflect.DeepEqual(known, rule) }) {
			policy.Access = append(policy.Access, rule)
		}
	}
	ended, err := s.SetPolicy(policy)
	if err != nil {
		s.Head.cfg.Logger.Error("the access rules stay as they were", "error", err) // they were checked
		return 0
	}
	s.accepted.Store(&accepted)
	return ended
}
