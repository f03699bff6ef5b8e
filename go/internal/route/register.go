package route

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// Scope is what an identity needs to register a node under any name; with ":" and a
// name after it, under that one.
const Scope = "node:register"

// Operation is one entry of a registration: a spec, and how many further nodes the
// operation is away from the one that registers it.
type Operation struct {
	call.OperationSpec
	Hops int `json:"hops,omitempty"`
}

// Registration is the input of /head/services/register.
type Registration struct {
	Node       string      `json:"node"`
	Operations []Operation `json:"operations"`
}

func (t *Table) addRegister() error {
	return t.registry.Handle(call.OperationSpec{
		Name: "/head/services/register", Type: call.TypeMutation,
		Description: "Registers the calling node under a name, with the operations that it offers, or replaces what it has registered",
	}, t.register)
}

// register takes the registration of the node at the other side of the session.
func (t *Table) register(_ context.Context, req *call.Request) (any, error) {
	if err := direct(req); err != nil {
		return nil, err
	}
	id := req.Session().Identity()
	if !mayRegisterSome(id) {
		return nil, call.Errorf(call.Forbidden, "this identity may not register a node: it needs the scope %s, or %s:NAME", Scope, Scope)
	}
	var input struct {
		Node       *string
		Operations []json.RawMessage
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil || input.Node == nil || input.Operations == nil {
		return nil, call.Errorf(call.InvalidInput, `want {"node":"name","operations":[spec…]}`)
	}
	if err := CheckName(*input.Node); err != nil {
		return nil, call.Errorf(call.InvalidInput, "%w", err)
	}
	if !mayRegister(id, *input.Node) {
		return nil, call.Errorf(call.Forbidden, "this identity may not register the node %s: it needs the scope %s or %s:%s", *input.Node, Scope, Scope, *input.Node)
	}
	e := &entry{name: *input.Node, session: req.Session(), owner: id.ID, joined: time.Now().UTC()}
	if err := e.take(input.Operations, t.limits); err != nil {
		return nil, err
	}
	t.addServices(e)
	if err := t.enter(e); err != nil {
		return nil, err
	}
	return map[string]any{"node": e.name, "operations": len(e.offered)}, nil
}

// direct refuses a request that no session of its own brought, or that is made under
// another identity than the session's: a node registers itself.
func direct(req *call.Request) *call.Error {
	if req.Session() == nil {
		return call.Errorf(call.InvalidInput, "%s is called by the node that registers, over its own session", req.Operation())
	}
	if _, forwarded := req.ForwardedFor(); forwarded {
		return call.Errorf(call.Forbidden, "%s cannot be called through another node", req.Operation())
	}
	if req.Tokened() {
		return call.Errorf(call.Forbidden, "%s is called under the identity of the session: leave the authToken out", req.Operation())
	}
	return nil
}

// take fills in the operations of a registration.
func (e *entry) take(specs []json.RawMessage, limits Limits) *call.Error {
	if len(specs) > limits.MaxOperations {
		return limited("a node may offer %d operations, and %s offers %d", limits.MaxOperations, e.name, len(specs))
	}
	total := 0
	for i, text := range specs {
		if len(text) > limits.MaxSpec {
			return call.Errorf(call.InvalidInput, "the spec of operation %d of %s has %d bytes: at most %d are taken, so shorten its schemas", i+1, e.name, len(text), limits.MaxSpec)
		}
		total += len(text)
	}
	if total > limits.MaxSpecs {
		return limited("the specs of a node may have %d bytes, and those of %s have %d", limits.MaxSpecs, e.name, total)
	}
	e.operations = make(map[string]*call.Remote, len(specs)+2)
	for i, text := range specs {
		var op Operation
		if err := strictjson.Unmarshal(text, &op); err != nil {
			return call.Errorf(call.InvalidInput, "operation %d of %s is not a spec: %w", i+1, e.name, err)
		}
		o, err := call.NewRemote(e.session, "/"+e.name, op.OperationSpec, op.Hops)
		if err != nil {
			return call.Errorf(call.InvalidInput, "%w", err)
		}
		if e.operations[o.Spec().Name] != nil {
			return call.Errorf(call.InvalidInput, "operation %s of %s is named twice", o.Name(), e.name)
		}
		e.operations[o.Spec().Name] = o
		e.offered = append(e.offered, o)
	}
	slices.SortFunc(e.offered, func(a, b *call.Remote) int { return strings.Compare(a.Spec().Name, b.Spec().Name) })
	return nil
}

// limited is a limit that trying again does not lift.
func limited(format string, args ...any) *call.Error {
	err := call.Errorf(call.ResourceExhausted, format, args...)
	err.Retryable = false
	return err
}

func (t *Table) addUnregister() error {
	return t.registry.Handle(call.OperationSpec{
		Name: "/head/services/unregister", Type: call.TypeMutation, Description: "Takes the calling node out of the table",
		InputSchema: json.RawMessage(`{"type":"object","required":["node"],"properties":{"node":{"type":"string"}}}`),
	}, func(_ context.Context, req *call.Request) (any, error) {
		if err := direct(req); err != nil {
			return nil, err
		}
		var input struct{ Node string }
		if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
			return nil, call.Errorf(call.InvalidInput, "the input is not an object with a node")
		}
		if !t.remove(input.Node, req.Session()) {
			return nil, call.Errorf(call.NotFound, "this session is not registered as %.80q", input.Node)
		}
		return map[string]any{}, nil
	})
}
