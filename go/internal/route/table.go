// Package route is a head's table of nodes: which workers have registered, under
// which names and with which operations, and where a request for one of these goes.
//
// New makes a Table for a call.Registry, in which it offers /head/services/register
// and /head/services/unregister to workers and /head/nodes/list and
// /head/nodes/watch to everybody. It is the registry's call.Router: the session that
// a request came on passes it on without looking into its payload.
package route

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// Config configures a Table. Registry is required.
type Config struct {
	// Registry answers the head's requests.
	Registry *call.Registry
	// Limits; the zero value means the defaults.
	Limits Limits
	// Logger; nil discards.
	Logger *slog.Logger
	// OnChange, if set, is told of every node that joins, changes or leaves, in order;
	// Node.Operations is how many it offers. It must not block or call the table.
	OnChange func(Event)
}

// Limits bound what workers may make the head keep. The zero value of each field
// means its default.
type Limits struct {
	// MaxNodes is how many nodes may be registered: default 4,096.
	MaxNodes int
	// MaxOperations is how many operations one node may offer: default 4,096. A head
	// that is a worker of this one counts those behind it too.
	MaxOperations int
	// MaxSpec is the size of one operation's spec, in bytes of JSON: default 256 KiB.
	MaxSpec int
	// MaxSpecs is the size of all specs of one node together: default 8 MiB.
	MaxSpecs int
}

func (l Limits) withDefaults() Limits {
	l.MaxNodes = cmp.Or(max(l.MaxNodes, 0), 4096)
	l.MaxOperations = cmp.Or(max(l.MaxOperations, 0), 4096)
	l.MaxSpec = cmp.Or(max(l.MaxSpec, 0), 256<<10)
	l.MaxSpecs = cmp.Or(max(l.MaxSpecs, 0), 8<<20)
	return l
}

// Table is a head's table of nodes. It is safe for concurrent use; finding an
// operation takes no lock.
type Table struct {
	registry *call.Registry
	limits   Limits
	logger   *slog.Logger
	onChange func(Event)

	nodes atomic.Pointer[map[string]*entry] // replaced as a whole, under mu

	mu   sync.Mutex
	feed feed
}

// entry is one registered node. It is never changed: a new one takes its place.
type entry struct {
	name       string
	session    *call.Session
	owner      string // the id of the identity that registered it
	joined     time.Time
	operations map[string]*call.Remote // by the name that callers of the head use
	offered    []*call.Remote          // those that are listed, sorted by name
	stop       func() bool             // ends the watch over the session
}

// New makes the table of a head and registers its operations.
func New(cfg Config) (*Table, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Table{registry: cfg.Registry, limits: cfg.Limits.withDefaults(), logger: cfg.Logger, onChange: cfg.OnChange, feed: feed{watchers: map[*watcher]struct{}{}}}
	t.nodes.Store(&map[string]*entry{})
	for _, add := range []func() error{t.addRegister, t.addUnregister, t.addList, t.addWatch} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	t.registry.SetRouter(t)
	return t, nil
}

// Find implements call.Router.
func (t *Table) Find(name string) *call.Remote {
	node, _, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if !ok {
		return nil
	}
	if e := (*t.nodes.Load())[node]; e != nil {
		return e.operations[name]
	}
	return nil
}

// Visit implements call.Router.
func (t *Table) Visit(visit func(*call.Remote)) {
	for _, e := range *t.nodes.Load() {
		for _, o := range e.offered {
			visit(o)
		}
	}
}

// Len returns how many nodes are registered.
func (t *Table) Len() int { return len(*t.nodes.Load()) }

// Node is an entry of the table as an identity sees it.
type Node struct {
	Name       string    `json:"node"`
	Identity   string    `json:"identity"`   // who registered it
	Agent      string    `json:"agent"`      // its software, as it says itself
	Operations int       `json:"operations"` // how many of them the caller may call
	Joined     time.Time `json:"joined"`
}

// Nodes returns the nodes that an identity may see, sorted by name: those of which
// it may call something, those that offer nothing, and all of them with the scope
// admin. nil is an anonymous caller.
func (t *Table) Nodes(id *auth.Identity) []Node {
	table := *t.nodes.Load()
	nodes := make([]Node, 0, len(table))
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if n, ok := t.seen(table[name], id); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (t *Table) seen(e *entry, id *auth.Identity) (Node, bool) {
	n := Node{Name: e.name, Identity: e.owner, Agent: e.session.Peer().Agent, Joined: e.joined}
	for _, o := range e.offered {
		if t.registry.Allows(o, id) {
			n.Operations++
		}
	}
	return n, n.Operations > 0 || len(e.offered) == 0 || id.HasScope("admin")
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckName reports why name cannot be a node's name, or nil.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("node name %.80q: want 1 to 63 of a-z, 0-9 and '-', not beginning with '-'", name)
	}
	if name == "head" || name == "services" {
		return fmt.Errorf("node name %q is reserved: choose another one", name)
	}
	return nil
}

// enter puts a node into the table.
func (t *Table) enter(e *entry) *call.Error {
	t.mu.Lock()
	table := *t.nodes.Load()
	old := table[e.name]
	if err := t.mayEnter(table, old, e); err != nil {
		t.mu.Unlock()
		return err
	}
	next := maps.Clone(table)
	next[e.name] = e
	t.nodes.Store(&next)
	replaced := old != nil && old.session != e.session
	if old != nil && !replaced {
		e.joined, e.stop = old.joined, old.stop
	} else {
		if old != nil {
			old.stop()
		}
		// Runs at once when the session has ended meanwhile; remove waits for mu.
		e.stop = context.AfterFunc(e.session.Context(), func() { t.remove(e.name, e.session) })
	}
	change := "joined"
	if old != nil {
		change = "changed"
	}
	t.publish(change, e)
	t.mu.Unlock()
	if replaced {
		old.tell(call.Errorf(call.Conflict, "another session of the same identity has taken the name %s over", e.name))
	}
	if old == nil || replaced {
		t.logger.Info("node joined", "node", e.name, "identity", e.owner, "operations", len(e.offered), "replaced", replaced)
	}
	t.registry.Changed()
	return nil
}

func (t *Table) mayEnter(table map[string]*entry, old, e *entry) *call.Error {
	if old != nil && old.owner != e.owner {
		return call.Errorf(call.Conflict, "the name %s is held by another identity", e.name)
	}
	for _, other := range table {
		if other.session == e.session && other.name != e.name {
			return call.Errorf(call.Conflict, "this session is registered as %s already", other.name)
		}
	}
	if old == nil && len(table) >= t.limits.MaxNodes {
		return call.Errorf(call.ResourceExhausted, "the head has %d nodes, its limit", len(table))
	}
	return nil
}

// Recheck takes the nodes out of the table whose identities may not register them any
// more: it is for when what identities may do has changed.
func (t *Table) Recheck() {
	for _, e := range *t.nodes.Load() {
		if !mayRegister(e.session.Identity(), e.name) && t.remove(e.name, e.session) {
			e.tell(call.Errorf(call.Forbidden, "this identity may not be registered as %s any more", e.name))
		}
	}
}

// mayRegisterSome reports whether an identity may register a node under any name at all:
// who may not has its input not looked at.
func mayRegisterSome(id *auth.Identity) bool {
	return id.HasScope(Scope) || id != nil && slices.ContainsFunc(id.Scopes, func(scope string) bool {
		return strings.HasPrefix(scope, Scope+":")
	})
}

// mayRegister reports whether an identity may register a node under a name.
func mayRegister(id *auth.Identity, name string) bool {
	return id.HasScope(Scope) || id.HasScope(Scope+":"+name)
}

// remove takes a node out of the table, if the session still holds its name.
func (t *Table) remove(name string, session *call.Session) bool {
	t.mu.Lock()
	table := *t.nodes.Load()
	e := table[name]
	if e == nil || e.session != session {
		t.mu.Unlock()
		return false
	}
	next := maps.Clone(table)
	delete(next, name)
	t.nodes.Store(&next)
	e.stop()
	t.publish("left", e)
	t.mu.Unlock()
	t.logger.Info("node left", "node", name, "identity", e.owner)
	t.registry.Changed()
	return true
}

// LeftOperation is the operation by which a head tells a worker that it does not
// know the worker by its name any more, while their session goes on.
const LeftOperation = "/node/left"

// Notice is the input of LeftOperation.
type Notice struct {
	Node string `json:"node"`
	// Code and Message say why: CONFLICT when another session of the same identity has
	// taken the name over, FORBIDDEN when the identity may not have it any more.
	Code    call.Code `json:"code"`
	Message string    `json:"message"`
}

// noticeTime is how long the session that held a name may take to answer the notice:
// one that says nothing at all is dead, and what waits for it is told so.
const noticeTime = 5 * time.Second

// tell tells the session that held a name; one that does not offer the operation needs
// no telling, but answers.
func (e *entry) tell(why *call.Error) {
	input, err := json.Marshal(Notice{e.name, why.Code, why.Message})
	if err != nil {
		return // strings alone: it does not fail
	}
	e.session.Start(call.Single, LeftOperation, input, &call.Options{Deadline: time.Now().Add(noticeTime)}, noticed{e.session})
	e.session.Flush()
}

// noticed is the call.Sink of a notice.
type noticed struct{ session *call.Session }

func (noticed) Responded([]byte) {}
func (noticed) Event([]byte)     {}
func (noticed) Completed()       {}

func (n noticed) Failed(err *call.Error) {
	if err.Code == call.Timeout {
		go n.session.Close("it has lost its name, and does not answer")
	}
}
