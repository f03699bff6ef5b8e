package call

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// ListedOperation is an entry of /services/list.
type ListedOperation struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace"`
	Type        string `json:"type"`
	Description string `json:"description"`
}

// addServices registers /services/list and /services/schema, which show a caller
// only what it may call.
func (r *Registry) addServices() error {
	err := r.Handle(OperationSpec{
		Name: "/services/list", Type: TypeQuery, Description: "The operations that the caller may call",
	}, func(_ context.Context, req *Request) (any, error) {
		listed := []*ListedOperation{}
		r.visible(req.Identity(), func(namespace string, spec *OperationSpec) {
			listed = append(listed, &ListedOperation{spec.Name, namespace, spec.Type, spec.Description})
		})
		slices.SortFunc(listed, func(a, b *ListedOperation) int { return strings.Compare(a.Name, b.Name) })
		return map[string]any{"operations": listed}, nil
	})
	if err != nil {
		return err
	}
	return r.Handle(OperationSpec{
		Name: "/services/schema", Type: TypeQuery, Description: "The whole spec of one operation",
		InputSchema: json.RawMessage(`{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}`),
	}, func(_ context.Context, req *Request) (any, error) {
		var input struct{ Name string }
		if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
			return nil, Errorf(InvalidInput, "the input is not an object with a name")
		}
		op, remote := r.find(input.Name)
		if remote != nil {
			op = &remote.operation
		}
		if op != nil && op.spec.Visibility == VisibilityExternal && op.allows(r.rules.Load(), req.Identity()) {
			return op.spec, nil
		}
		return nil, Errorf(NotFound, "there is no operation %.80q that you may call", input.Name)
	})
}

// visible calls visit for each operation that the identity may call, of this node
// and of others behind it.
func (r *Registry) visible(id *auth.Identity, visit func(namespace string, spec *OperationSpec)) {
	rules, own := r.rules.Load(), *r.operations.Load()
	for _, op := range own {
		if op.spec.Visibility == VisibilityExternal && op.allows(rules, id) {
			visit(op.spec.Namespace(), &op.spec)
		}
	}
	if router := r.Router(); router != nil {
		router.Visit(func(o *Remote) {
			if own[o.spec.Name] == nil && o.allows(rules, id) {
				visit(o.Namespace(), &o.spec)
			}
		})
	}
}
