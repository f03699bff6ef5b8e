package call

import (
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// Allows reports whether the scopes that a requires are granted to the identity;
// nil is an anonymous caller. Resources are checked per request.
func (a *AccessControl) Allows(id *auth.Identity) bool {
	if !hasScopes(id, a.RequiredScopes) {
		return false
	}
	if len(a.RequiredScopesAny) == 0 {
		return true
	}
	for _, scope := range a.RequiredScopesAny {
		if id.HasScope(scope) {
			return true
		}
	}
	return false
}

func hasScopes(id *auth.Identity, scopes []string) bool {
	for _, scope := range scopes {
		if !id.HasScope(scope) {
			return false
		}
	}
	return true
}

// authorize checks one request, and returns the id of the resource that its input names,
// where the operation wants one. The message does not list what the caller lacks beyond
// what the operation's spec, which it cannot see, would say.
func (op *operation) authorize(rules *rules, id *auth.Identity, input []byte) (resource string, _ *Error) {
	if a := &op.spec.AccessControl; a.ResourceType != "" && op.allows(rules, id) {
		found, ok, err := strictjson.Lookup(input, a.ResourceIDPath)
		if err != nil {
			return "", Errorf(InvalidInput, "the input of %s cannot be read: %v", op.spec.Name, err)
		}
		if !ok {
			return "", Errorf(Forbidden, "%s needs the id of a %s at %s of its input", op.spec.Name, a.ResourceType, a.ResourceIDPath)
		}
		resource = found
	}
	return resource, op.mayUse(rules, id, resource)
}

// mayUse reports why an identity may not call the operation for a resource, or nil. It
// decides when a request comes and when it is judged again.
func (op *operation) mayUse(rules *rules, id *auth.Identity, resource string) *Error {
	if !op.allows(rules, id) {
		return Errorf(Forbidden, "this identity may not call %s: it lacks a required scope", op.spec.Name)
	}
	if kind := op.spec.AccessControl.ResourceType; kind != "" && !id.HasResource(kind, resource) {
		return Errorf(Forbidden, "this identity may not use that %s with %s", kind, op.spec.Name)
	}
	return nil
}

// allows reports whether the identity has the scopes that the operation and the
// node's rules want.
func (op *operation) allows(rules *rules, id *auth.Identity) bool {
	return op.spec.AccessControl.Allows(id) && (rules == nil || hasScopes(id, op.ruled(rules)))
}

// ruledScopes are what one set of rules wants for one operation.
type ruledScopes struct {
	rules  *rules
	scopes []string
}

// ruled returns the scopes that the rules want for the operation, and remembers
// them: rules change rarely.
func (op *operation) ruled(rules *rules) []string {
	if known := op.underRules.Load(); known != nil && known.rules == rules {
		return known.scopes
	}
	found := &ruledScopes{rules, rules.scopes(op.spec.Name)}
	op.underRules.Store(found)
	return found.scopes
}
