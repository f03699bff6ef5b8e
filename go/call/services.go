package call

import (
	"context"
	"encoding/json"
)

type listedOperation struct {
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
		listed := []listedOperation{}
		for _, spec := range r.Specs() {
			if spec.Visibility == VisibilityExternal && spec.AccessControl.Allows(req.Identity()) {
				listed = append(listed, listedOperation{spec.Name, spec.Namespace(), spec.Type, spec.Description})
			}
		}
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
		if err := json.Unmarshal(req.Input(), &input); err != nil {
			return nil, Errorf(InvalidInput, "the input is not an object with a name")
		}
		op := r.lookup(input.Name)
		if op == nil || op.spec.Visibility != VisibilityExternal || !op.spec.AccessControl.Allows(req.Identity()) {
			return nil, Errorf(NotFound, "there is no operation %.80q that you may call", input.Name)
		}
		return op.spec, nil
	})
}
