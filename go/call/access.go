package call

import "github.com/alkdev/alknet/go/auth"

// Allows reports whether the scopes that a requires are granted to the identity;
// nil is an anonymous caller. Resources are checked per request.
func (a *AccessControl) Allows(id *auth.Identity) bool {
	for _, scope := range a.RequiredScopes {
		if !id.HasScope(scope) {
			return false
		}
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

// authorize checks one request. The message does not list what the caller lacks
// beyond what the operation's spec, which it cannot see, would say.
func (a *AccessControl) authorize(operation string, id *auth.Identity, input []byte) *Error {
	if !a.Allows(id) {
		return Errorf(Forbidden, "this identity may not call %s: it lacks a required scope", operation)
	}
	if a.ResourceType == "" {
		return nil
	}
	resource, ok := lookup(input, a.ResourceIDPath)
	if !ok {
		return Errorf(Forbidden, "%s needs the id of a %s at %s of its input", operation, a.ResourceType, a.ResourceIDPath)
	}
	if !id.HasResource(a.ResourceType, resource) {
		return Errorf(Forbidden, "this identity may not use that %s with %s", a.ResourceType, operation)
	}
	return nil
}
