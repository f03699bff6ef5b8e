package call

import (
	"fmt"

	"github.com/alkdev/alknet/go/internal/auth"
)

// Router knows the operations of other nodes that are called through this one. Its
// methods are called by the goroutines that read sessions: they must not block.
type Router interface {
	// Find returns an operation by the name that callers of this node use, such as
	// /dev1/fs/read, or nil.
	Find(name string) *Remote
	// Visit calls visit for each operation, in no particular order.
	Visit(visit func(*Remote))
}

// Remote is an operation of another node that this node passes requests on to.
type Remote struct {
	operation
	session *Session
	name    string // on that node
	hops    int
	answers bool // this node answers itself
}

// NewRemote prepares an operation of the node at the other side of session: spec is
// how that node registered it, and prefix, such as /dev1, what callers of this node
// put before its name. hops is how many further nodes that node passes requests on
// through. Its schemas are not compiled: the node that handles it checks the input.
func NewRemote(session *Session, prefix string, spec OperationSpec, hops int) (*Remote, error) {
	if err := spec.normalize(); err != nil {
		return nil, err
	}
	if spec.Visibility != VisibilityExternal {
		return nil, fmt.Errorf("operation %s: an internal operation cannot be called through another node", spec.Name)
	}
	if hops < 0 || hops >= MaxHops {
		return nil, fmt.Errorf("operation %s: it is %d nodes away, and requests pass at most %d", spec.Name, hops+1, MaxHops)
	}
	o := &Remote{session: session, name: spec.Name, hops: hops}
	o.spec = spec
	o.spec.Name = prefix + spec.Name
	if len(o.spec.Name) > maxName {
		return nil, fmt.Errorf("operation %.80q: with its node's name before it it has %d bytes, and a name at most %d", o.spec.Name, len(o.spec.Name), maxName)
	}
	o.handler = AsyncHandler(nil) // there is none: requests are passed on
	return o, nil
}

// NewAnswered prepares an operation that seems to be one of another node, and that this
// node answers itself: with what it knows of that node, and by its own rules.
func NewAnswered(name string, h Handler) *Remote {
	o := &Remote{answers: true}
	o.spec = OperationSpec{Name: name, Type: TypeQuery, Visibility: VisibilityExternal}
	o.authority = &auth.Identity{ID: "handler:" + name, Scopes: []string{}}
	o.handler = callHandler(h)
	return o
}

// Spec returns the operation's spec under the name that callers of this node use. It
// is not to be changed.
func (o *Remote) Spec() *OperationSpec { return &o.spec }

// Session returns the session with the operation's node.
func (o *Remote) Session() *Session { return o.session }

// Hops returns how many further nodes lie between that session's node and the
// operation: 0 where it is its own.
func (o *Remote) Hops() int { return o.hops }

// Name returns the operation's name on the node at the other side of the session.
func (o *Remote) Name() string { return o.name }

// Namespace returns what stands before the last segment of the operation's name:
// "dev1/fs" of /dev1/fs/read, as Request.Invoke takes it.
func (o *Remote) Namespace() string {
	return namespaceOf(o.spec.Name)
}

// SetRouter has the registry pass requests on for operations that it does not hold
// itself. One that is in the registry goes before one of the same name elsewhere.
func (r *Registry) SetRouter(router Router) { r.router.Store(&router) }

// Router returns what SetRouter has set, or nil.
func (r *Registry) Router() Router {
	if router := r.router.Load(); router != nil {
		return *router
	}
	return nil
}

// find returns the operation of a name: one that this node answers, or one that it
// forwards requests for; neither when there is none.
func (r *Registry) find(name string) (*operation, *Remote) {
	if op := r.lookup(name); op != nil {
		return op, nil
	}
	if router := r.router.Load(); router != nil {
		switch o := (*router).Find(name); {
		case o == nil:
		case o.answers:
			return &o.operation, nil
		default:
			return nil, o
		}
	}
	return nil, nil
}

// Allows reports whether the identity has the scopes to call an operation of another
// node: those of its spec and of this node's rules.
func (r *Registry) Allows(o *Remote, id *auth.Identity) bool {
	return o.allows(r.rules.Load(), id)
}
