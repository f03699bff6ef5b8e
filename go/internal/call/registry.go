package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/go/internal/auth"
)

// ErrDuplicate is wrapped by the error of registering a name that is taken.
var ErrDuplicate = errors.New("already registered")

// operation is a registered spec with what was prepared from it.
type operation struct {
	spec        OperationSpec
	input       *schema
	output      *schema
	handler     handler
	authority   *auth.Identity
	reach       []pattern
	credentials []string // services
	underRules  atomic.Pointer[ruledScopes]
}

// Registry holds a node's operations. It is safe for concurrent use; looking up
// takes no lock. Every registry offers /services/list and /services/schema.
type Registry struct {
	mu           sync.Mutex
	operations   atomic.Pointer[map[string]*operation]
	checkOutputs atomic.Bool
	observer     atomic.Pointer[Observer]
	rules        atomic.Pointer[rules]
	router       atomic.Pointer[Router]
	upstream     atomic.Pointer[Upstream]
	services     atomic.Pointer[map[string]Service]
	credentials  atomic.Pointer[CredentialProvider]
	changes      changes
}

// NewRegistry returns a registry that holds the built-in operations only.
func NewRegistry() *Registry {
	r := &Registry{}
	r.operations.Store(&map[string]*operation{})
	if err := r.addServices(); err != nil {
		panic("call: built-in operation: " + err.Error()) // a defect of this package
	}
	return r
}

// CheckOutputs makes the registry check what handlers return against their
// output schema; a violation is INTERNAL for the caller. Default: off.
func (r *Registry) CheckOutputs(on bool) { r.checkOutputs.Store(on) }

// Handle registers a query or a mutation. A malformed name, a schema that does not
// compile or a name that is taken (ErrDuplicate) registers nothing. The handler
// runs on a goroutine of its own for each request.
func (r *Registry) Handle(spec OperationSpec, h Handler, options ...HandleOption) error {
	if spec.Type == TypeSubscription {
		return fmt.Errorf("operation %s: a subscription needs HandleStream", spec.Name)
	}
	return r.add(spec, callHandler(h), options)
}

// HandleStream registers a subscription, as Handle does for the other types.
func (r *Registry) HandleStream(spec OperationSpec, h StreamHandler, options ...HandleOption) error {
	if spec.Type == "" {
		spec.Type = TypeSubscription
	}
	if spec.Type != TypeSubscription {
		return fmt.Errorf("operation %s: a %s needs Handle", spec.Name, spec.Type)
	}
	return r.add(spec, streamHandler(h), options)
}

// HandleAsync registers an operation of any type whose requests are answered
// through the Request's methods, from any goroutine, after the handler returned.
// The handler must not block.
func (r *Registry) HandleAsync(spec OperationSpec, h AsyncHandler, options ...HandleOption) error {
	return r.add(spec, h, options)
}

// SetAccessRules puts other rules of this node's own in the place of the present
// ones, at once and as a whole; a bad one changes nothing.
func (r *Registry) SetAccessRules(list []AccessRule) error {
	compiled, err := compileRules(list)
	if err != nil {
		return err
	}
	r.rules.Store(&compiled)
	return nil
}

func (r *Registry) add(spec OperationSpec, h handler, options []HandleOption) error {
	if err := spec.normalize(); err != nil {
		return err
	}
	op := &operation{spec: spec, handler: h, authority: &auth.Identity{ID: "handler:" + spec.Name, Scopes: []string{}}}
	var err error
	for _, option := range options {
		if err := option(op); err != nil {
			return fmt.Errorf("operation %s: %w", spec.Name, err)
		}
	}
	if op.input, err = compileSchema(spec.Name, "inputSchema", spec.InputSchema); err != nil {
		return err
	}
	if op.output, err = compileSchema(spec.Name, "outputSchema", spec.OutputSchema); err != nil {
		return err
	}
	for code, text := range spec.ErrorSchemas {
		if _, err := compileSchema(spec.Name, "errorSchemas."+code, text); err != nil {
			return err
		}
	}
	if err := r.insert(op); err != nil {
		return err
	}
	r.Changed()
	return nil
}

func (r *Registry) insert(op *operation) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.operations.Load()
	if _, taken := old[op.spec.Name]; taken {
		return fmt.Errorf("operation %s: %w", op.spec.Name, ErrDuplicate)
	}
	next := maps.Clone(old)
	next[op.spec.Name] = op
	r.operations.Store(&next)
	return nil
}

// Remove withdraws an operation and reports whether it was there. Requests that
// run go on; built-in operations stay.
func (r *Registry) Remove(name string) bool {
	if strings.HasPrefix(name, "/services/") {
		return false
	}
	r.mu.Lock()
	old := *r.operations.Load()
	_, ok := old[name]
	if ok {
		next := maps.Clone(old)
		delete(next, name)
		r.operations.Store(&next)
	}
	r.mu.Unlock()
	if ok {
		r.Changed()
	}
	return ok
}

func (r *Registry) lookup(name string) *operation {
	return (*r.operations.Load())[name]
}

// Specs returns the specs of all operations, sorted by name.
func (r *Registry) Specs() []OperationSpec {
	operations := *r.operations.Load()
	specs := make([]OperationSpec, 0, len(operations))
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		specs = append(specs, operations[name].spec)
	}
	return specs
}

// checkInput returns INVALID_INPUT with the violations as details, or nil.
func (op *operation) checkInput(input []byte, r *Request) *Error {
	violations, failed := op.input.check(input, r)
	if failed != nil {
		return failed
	}
	if len(violations) == 0 {
		return nil
	}
	err := Errorf(InvalidInput, "the input of %s does not match its schema: at %q %s", op.spec.Name, violations[0].Pointer, violations[0].Message)
	err.Details, _ = json.Marshal(map[string]any{"violations": violations})
	return err
}
