package call

import (
	"fmt"
	"maps"
	"strings"

	"github.com/alkdev/alknet/go/internal/auth"
)

// Service is another process that is attached to this node and offers operations to
// its handlers, by whatever link and encoding.
type Service interface {
	// Start sends a request for an operation of the service, made under identity; it
	// behaves as Session.Start and Flush do.
	Start(kind Kind, operation string, input []byte, opts *Options, identity *auth.Identity, sink Sink) Outgoing
}

// Attach has handlers of this node reach a namespace in a service. What the registry
// holds itself goes before it. A second service of the same namespace takes the
// place of the first; nil detaches it.
func (r *Registry) Attach(namespace string, s Service) error {
	if !segmentPattern.MatchString(namespace) {
		return fmt.Errorf("namespace %.80q: want letters, digits, '_', '.' and '-'", namespace)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[string]Service{}
	if old := r.services.Load(); old != nil {
		next = maps.Clone(*old)
	}
	if next[namespace] = s; s == nil {
		delete(next, namespace)
	}
	r.services.Store(&next)
	return nil
}

func (r *Registry) service(operation string) Service {
	services := r.services.Load()
	if services == nil {
		return nil
	}
	namespace, _, _ := strings.Cut(strings.TrimPrefix(operation, "/"), "/")
	return (*services)[namespace]
}
