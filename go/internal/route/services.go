package route

import (
	"context"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// addServices offers /NODE/services/list and /NODE/services/schema. The head answers them
// from its table, by the one judgement that also decides what may be called: the node
// itself does not know the head's rules. Names are those of the node.
func (t *Table) addServices(e *entry) {
	list, schema := "/"+e.name+"/services/list", "/"+e.name+"/services/schema"
	e.operations[list] = call.NewAnswered(list, func(_ context.Context, req *call.Request) (any, error) {
		listed := []call.ListedOperation{}
		for _, o := range e.offered {
			if t.registry.Allows(o, req.Identity()) {
				spec := *o.Spec()
				spec.Name = o.Name()
				listed = append(listed, call.ListedOperation{Name: spec.Name, Namespace: spec.Namespace(), Type: spec.Type, Description: spec.Description})
			}
		}
		return map[string]any{"operations": listed}, nil
	})
	e.operations[schema] = call.NewAnswered(schema, func(_ context.Context, req *call.Request) (any, error) {
		var input struct{ Name *string }
		if err := strictjson.Unmarshal(req.Input(), &input); err != nil || input.Name == nil {
			return nil, call.Errorf(call.InvalidInput, "the input is not an object with a name")
		}
		if o := e.operations["/"+e.name+*input.Name]; o != nil && o.Session() != nil && t.registry.Allows(o, req.Identity()) {
			spec := *o.Spec()
			spec.Name = o.Name()
			return spec, nil
		}
		return nil, call.Errorf(call.NotFound, "there is no operation %.80q that you may call", *input.Name)
	})
}
