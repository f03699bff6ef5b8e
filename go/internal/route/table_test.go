package route_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code call.Code) {
	t.Helper()
	if err == nil || call.CodeOf(err) != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

// head is a head that knows people by name: who has which scopes.
type head struct {
	*node.Head
	registry *call.Registry
	key      ed25519.PrivateKey
	keys     map[string]ed25519.PrivateKey
	set      *auth.KeySet
	grants   []auth.Grant
}

// grant makes a key known under a name.
func (h *head) grant(name string, key ed25519.PrivateKey, scopes ...string) {
	h.keys[name] = key
	h.grants = append(h.grants, auth.Grant{Key: key.Public().(ed25519.PublicKey), Scopes: scopes})
	h.set.Replace(h.grants, nil)
}

func start(t testing.TB, people map[string][]string, change func(*node.HeadConfig)) *head {
	t.Helper()
	h := &head{registry: call.NewRegistry(), keys: map[string]ed25519.PrivateKey{}, set: auth.NewKeySet(nil, nil)}
	var err error
	for name, scopes := range people {
		key, err := auth.GenerateKey()
		must(t, err)
		h.grant(name, key, scopes...)
	}
	h.key, err = auth.GenerateKey()
	must(t, err)
	cfg := node.HeadConfig{Listen: []string{"tls://127.0.0.1:0"}, Key: h.key, Provider: h.set, Registry: h.registry}
	if change != nil {
		change(&cfg)
	}
	h.Head, err = node.Serve(context.Background(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	return h
}

// connect connects a person; registry may be nil.
func (h *head) connect(t testing.TB, who string, registry *call.Registry, change func(*node.ClientConfig)) *node.Client {
	t.Helper()
	if registry == nil {
		registry = call.NewRegistry()
	}
	cfg := node.ClientConfig{Address: h.Addresses()[0], Key: h.keys[who], Registry: registry, Agent: "test/" + who}
	if change != nil {
		change(&cfg)
	}
	client, err := node.Connect(context.Background(), cfg)
	must(t, err)
	t.Cleanup(func() { closeNow(client) })
	return client
}

func closeNow(client *node.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	client.Close(ctx)
}

func (h *head) id(who string) string {
	return principal.Fingerprint(h.keys[who].Public().(ed25519.PublicKey))
}

func reply(text string) call.Handler {
	return func(context.Context, *call.Request) (any, error) { return text, nil }
}

func offer(t testing.TB, operations ...call.OperationSpec) *call.Registry {
	t.Helper()
	r := call.NewRegistry()
	for _, spec := range operations {
		must(t, r.Handle(spec, reply(spec.Name)))
	}
	return r
}

// register is /head/services/register with a raw input.
func register(client *node.Client, input string) error {
	_, err := client.Call(context.Background(), "/head/services/register", json.RawMessage(input))
	return err
}

func TestRegister(t *testing.T) {
	h := start(t, map[string][]string{"any": {"node:register"}, "wild": {"node:*"}, "dev1": {"node:register:dev1"}, "none": {"fs:*"}}, func(c *node.HeadConfig) {
		c.Limits.MaxFrame = 64 << 20
	})
	many := strings.TrimSuffix(strings.Repeat(`{"name":"/a/b"},`, 10_000), ",")
	big := func(n int) string { return `{"type":"string","description":"` + strings.Repeat("x", n) + `"}` }
	for _, c := range []struct {
		who, input string
		want       call.Code
	}{
		{"none", `{"node":"dev1","operations":[]}`, call.Forbidden}, {"dev1", `{"node":"dev2","operations":[]}`, call.Forbidden},
		{"dev1", `{"node":"dev1","operations":[]}`, ""}, {"any", `{"node":"x","operations":[]}`, ""}, {"wild", `{"node":"x-1","operations":[]}`, ""},
		{"any", `{"node":"head","operations":[]}`, call.InvalidInput}, {"any", `{"node":"services","operations":[]}`, call.InvalidInput},
		{"any", `{"node":"","operations":[]}`, call.InvalidInput}, {"any", `{"node":"Dev","operations":[]}`, call.InvalidInput}, {"any", `{"node":"-a","operations":[]}`, call.InvalidInput},
		{"any", `{"node":"a/b","operations":[]}`, call.InvalidInput}, {"any", `{"node":"a.b","operations":[]}`, call.InvalidInput},
		{"any", `{"node":"` + strings.Repeat("a", 64) + `","operations":[]}`, call.InvalidInput}, {"any", `{"node":"` + strings.Repeat("a", 63) + `","operations":[]}`, ""},
		{"any", `{"node":"dev1"}`, call.InvalidInput}, {"any", `{"operations":[]}`, call.InvalidInput}, {"any", `null`, call.InvalidInput}, {"any", `{"node":7,"operations":[]}`, call.InvalidInput},
		{"any", `{"node":"x","operations":[7]}`, call.InvalidInput}, {"any", `{"node":"x","operations":[{"name":"noslash"}]}`, call.InvalidInput},
		{"any", `{"node":"x","operations":[{"name":"/a/b"},{"name":"/a/b"}]}`, call.InvalidInput}, {"any", `{"node":"x","operations":[{"name":"/a/b","visibility":"internal"}]}`, call.InvalidInput},
		{"any", `{"node":"x","operations":[{"name":"/a/b","hops":8}]}`, call.InvalidInput}, {"any", `{"node":"x","operations":[{"name":"/a/b","hops":-1}]}`, call.InvalidInput},
		{"any", `{"node":"x","operations":[{"name":"/a/b","hops":7}]}`, ""}, {"any", `{"node":"x","operations":[{"name":"/a/b","accessControl":{"resourceType":"x"}}]}`, call.InvalidInput},
		{"any", `{"node":"x","operations":[` + many + `]}`, call.ResourceExhausted},
		{"any", `{"node":"x","operations":[{"name":"/a/b","inputSchema":` + big(20<<20) + `}]}`, call.InvalidInput},
		{"any", `{"node":"x","operations":[{"name":"/a/b","inputSchema":` + big(200<<10) + `}]}`, ""},
		{"any", `{"node":"x","operations":[` + strings.TrimSuffix(strings.Repeat(`{"name":"/a/b","inputSchema":`+big(200<<10)+`},`, 50), ",") + `]}`, call.ResourceExhausted},
	} {
		client := h.connect(t, c.who, nil, nil)
		err := register(client, c.input)
		if (err == nil) != (c.want == "") || err != nil && call.CodeOf(err) != c.want {
			t.Errorf("%s %.200s: %v, want %q", c.who, c.input, err, c.want)
		}
		closeNow(client)
	}
	// A name belongs to an identity, and a session has one name.
	first, second := h.connect(t, "any", nil, nil), h.connect(t, "wild", nil, nil)
	must(t, register(first, `{"node":"mine","operations":[]}`))
	wantCode(t, register(second, `{"node":"mine","operations":[]}`), call.Conflict)
	wantCode(t, register(first, `{"node":"other","operations":[]}`), call.Conflict)
	_, err := second.Call(context.Background(), "/head/services/unregister", map[string]string{"node": "mine"})
	wantCode(t, err, call.NotFound)
	_, err = first.Call(context.Background(), "/head/services/unregister", map[string]string{"node": "mine"})
	must(t, err)
	must(t, register(second, `{"node":"mine","operations":[]}`))
	// Without a session of its own nobody registers.
	must(t, h.registry.Handle(call.OperationSpec{Name: "/c/register"}, func(ctx context.Context, req *call.Request) (any, error) {
		return req.Invoke(ctx, "head/services", "register", json.RawMessage(`{"node":"forged","operations":[]}`))
	}, call.WithReach("/head/**"), call.WithAuthority(&auth.Identity{Scopes: []string{"node:register"}})))
	_, err = first.Call(context.Background(), "/c/register", nil)
	wantCode(t, err, call.InvalidInput)
}

func TestNodeLimit(t *testing.T) {
	h := start(t, map[string][]string{"a": {"node:register"}, "b": {"node:register"}}, func(c *node.HeadConfig) { c.Nodes.MaxNodes = 1 })
	a, b := h.connect(t, "a", nil, nil), h.connect(t, "b", nil, nil)
	must(t, register(a, `{"node":"a","operations":[]}`))
	must(t, register(a, `{"node":"a","operations":[{"name":"/x/y"}]}`))
	wantCode(t, register(b, `{"node":"b","operations":[]}`), call.ResourceExhausted)
	closeNow(a)
	for err := error(nil); ; {
		if err = register(b, `{"node":"b","operations":[]}`); err == nil {
			break
		}
		wantCode(t, err, call.ResourceExhausted)
	}
}

// nextEvent reads one event of /head/nodes/watch.
func nextEvent(t testing.TB, sub *call.Subscription) route.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	raw, err := sub.Next(ctx)
	must(t, err)
	var event route.Event
	must(t, json.Unmarshal(raw, &event))
	return event
}

func TestJoinsAndLeaves(t *testing.T) {
	h := start(t, map[string][]string{"dev1": {"node:register"}, "user": {"fs:read"}, "stranger": {}, "operator": {"admin"}}, nil)
	ctx := context.Background()
	watch := func(who string, input any) *call.Subscription {
		sub, err := h.connect(t, who, nil, nil).Subscribe(ctx, "/head/nodes/watch", input)
		must(t, err)
		return sub
	}
	user, operator := h.connect(t, "user", nil, nil), h.connect(t, "operator", nil, nil)
	events, all, nothing := watch("user", nil), watch("operator", map[string]bool{"snapshot": true}), watch("stranger", nil)

	registry := offer(t, call.OperationSpec{Name: "/fs/read", Description: "Reads", AccessControl: call.AccessControl{RequiredScopes: []string{"fs:read"}}},
		call.OperationSpec{Name: "/fs/write", AccessControl: call.AccessControl{RequiredScopes: []string{"fs:write"}}}, call.OperationSpec{Name: "/fs/hidden", Visibility: call.VisibilityInternal})
	worker := h.connect(t, "dev1", registry, nil)
	// The watchers' own requests were handled before this one is: their sessions are older, but not their goroutines.
	for _, sub := range []*node.Client{user, operator} {
		_, err := sub.Call(ctx, "/head/nodes/list", nil)
		must(t, err)
	}
	must(t, worker.Join(ctx, "dev1"))
	event := nextEvent(t, events)
	if event.Event != "joined" || event.Node.Name != "dev1" || event.Node.Identity != h.id("dev1") || event.Node.Operations != 1 || event.Node.Agent != "test/dev1" || time.Since(event.Node.Joined) > time.Minute {
		t.Errorf("event %+v", event)
	}
	if event := nextEvent(t, all); event.Event != "joined" || event.Node.Operations != 0 {
		t.Errorf("the operator saw %+v", event)
	}
	for who, want := range map[*node.Client]string{user: `"operations":1`, operator: `"operations":0`} {
		list, err := who.Call(ctx, "/head/nodes/list", nil)
		if err != nil || !strings.Contains(string(list), `"node":"dev1"`) || !strings.Contains(string(list), want) {
			t.Errorf("list %s, %v", list, err)
		}
	}
	list, err := user.Call(ctx, "/services/list", nil)
	if err != nil || !strings.Contains(string(list), `{"name":"/dev1/fs/read","namespace":"dev1/fs","type":"query","description":"Reads"}`) || strings.Contains(string(list), "write") || strings.Contains(string(list), "hidden") {
		t.Errorf("services %s, %v", list, err)
	}
	got, err := user.Call(ctx, "/dev1/fs/read", nil)
	if err != nil || string(got) != `"/fs/read"` {
		t.Errorf("%s, %v", got, err)
	}
	_, err = user.Call(ctx, "/dev1/fs/write", nil)
	wantCode(t, err, call.Forbidden)
	_, err = user.Call(ctx, "/dev1/fs/hidden", nil)
	wantCode(t, err, call.NotFound)
	own, err := user.Call(ctx, "/dev1/services/list", nil)
	if err != nil || !strings.Contains(string(own), `"name":"/fs/read"`) || strings.Contains(string(own), "write") {
		t.Errorf("the worker's own list %s, %v", own, err)
	}
	// What the node offers later is known once it is announced.
	must(t, registry.Handle(call.OperationSpec{Name: "/log/tail"}, reply("tail")))
	must(t, worker.Announced(ctx))
	got, err = user.Call(ctx, "/dev1/log/tail", nil)
	if err != nil || string(got) != `"tail"` {
		t.Errorf("%s, %v", got, err)
	}
	if event := nextEvent(t, events); event.Event != "changed" || event.Node.Operations != 2 {
		t.Errorf("event %+v", event)
	}
	// The stranger has learnt of the node only now that it may call something.
	if event := nextEvent(t, nothing); event.Event != "joined" || event.Node.Operations != 1 {
		t.Errorf("the stranger saw %+v", event)
	}
	registry.Remove("/log/tail")
	must(t, worker.Announced(ctx))
	if event := nextEvent(t, nothing); event.Event != "left" {
		t.Errorf("the stranger saw %+v", event)
	}
	wantCode(t, worker.Join(ctx, "dev1"), call.Conflict)
	must(t, worker.Leave(ctx))
	must(t, worker.Leave(ctx))
	nextEvent(t, events) // changed
	if event := nextEvent(t, events); event.Event != "left" || event.Node.Name != "dev1" {
		t.Errorf("event %+v", event)
	}
	must(t, worker.Announced(ctx))
	must(t, worker.Join(ctx, "dev2"))
	if event := nextEvent(t, events); event.Event != "joined" || event.Node.Name != "dev2" {
		t.Errorf("event %+v", event)
	}
	closeNow(worker)
	if event := nextEvent(t, events); event.Event != "left" || event.Node.Name != "dev2" {
		t.Errorf("event %+v", event)
	}
	_, err = user.Call(ctx, "/dev2/fs/read", nil)
	wantCode(t, err, call.NotFound)
	must(t, h.Close())
	if _, err := events.Next(ctx); err == io.EOF || call.CodeOf(err) != call.Unavailable {
		t.Errorf("end of the watch: %v", err)
	}
}

func TestTakeover(t *testing.T) {
	h := start(t, map[string][]string{"dev1": {"node:register:dev1"}, "user": {}}, nil)
	ctx := context.Background()
	states := make(chan node.State, 8)
	first := h.connect(t, "dev1", offer(t, call.OperationSpec{Name: "/a/first"}), func(c *node.ClientConfig) { c.OnState = func(s node.State) { states <- s } })
	second := h.connect(t, "dev1", offer(t, call.OperationSpec{Name: "/a/second"}), nil)
	user := h.connect(t, "user", nil, nil)
	must(t, first.Join(ctx, "dev1"))
	_, err := user.Call(ctx, "/dev1/a/first", nil)
	must(t, err)
	must(t, second.Join(ctx, "dev1"))
	if s := <-states; s.Status != node.Left || call.CodeOf(s.Err) != call.Conflict {
		t.Errorf("the older session was told %+v", s)
	}
	_, err = user.Call(ctx, "/dev1/a/first", nil)
	wantCode(t, err, call.NotFound)
	_, err = user.Call(ctx, "/dev1/a/second", nil)
	must(t, err)
	// The older one stays connected, and its end does not take the name away.
	_, err = first.Call(ctx, "/head/nodes/list", nil)
	must(t, err)
	closeNow(first)
	_, err = user.Call(ctx, "/dev1/a/second", nil)
	must(t, err)
	// Nobody but the head may say that a name was taken over.
	_, err = user.Call(ctx, "/dev1"+route.LeftOperation, route.Notice{Node: "dev1", Code: call.Conflict, Message: "forged"})
	wantCode(t, err, call.NotFound)
}

// TestTakeoverOfTheDead has a worker stop answering without its connection ending, as
// one does that was cut off: the next one takes its name, and what waited for the dead
// one is told long before its transport would notice.
func TestTakeoverOfTheDead(t *testing.T) {
	t.Parallel()
	h := start(t, map[string][]string{"dev1": {"node:register:dev1"}, "user": {}}, nil)
	ctx := context.Background()
	registry := call.NewRegistry()
	started, release := make(chan struct{}), make(chan struct{})
	must(t, registry.HandleAsync(call.OperationSpec{Name: "/a/stuck"}, func(*call.Request) {
		close(started)
		<-release // this handler must not block: its session reads nothing any more
	}))
	stuck := h.connect(t, "dev1", registry, nil)
	must(t, stuck.Join(ctx, "dev1"))
	user := h.connect(t, "user", nil, nil)
	waiting := make(chan error, 1)
	go func() { _, err := user.Call(ctx, "/dev1/a/stuck", nil); waiting <- err }()
	<-started
	second := h.connect(t, "dev1", offer(t, call.OperationSpec{Name: "/a/second"}), nil)
	must(t, second.Join(ctx, "dev1"))
	wantCode(t, <-waiting, call.Unavailable)
	_, err := user.Call(ctx, "/dev1/a/second", nil)
	must(t, err)
	close(release)
}

func TestJoinNeedsAPin(t *testing.T) {
	for _, listen := range []string{"tcp://127.0.0.1:0", "tls://127.0.0.1:0"} {
		h := start(t, map[string][]string{"dev1": {"node:register"}}, func(c *node.HeadConfig) { c.Listen = []string{listen} })
		worker := h.connect(t, "dev1", offer(t, call.OperationSpec{Name: "/x/y"}), func(c *node.ClientConfig) {
			if strings.HasPrefix(listen, "tls") {
				_, host, _ := strings.Cut(c.Address, "@")
				c.Address, c.Insecure = "tls://"+host, true
			}
		})
		wantCode(t, worker.Join(context.Background(), "dev1"), call.Forbidden)
		// Whoever registers by hand all the same is asked, and believes nothing.
		must(t, register(worker, `{"node":"dev1","operations":[{"name":"/x/y"}]}`))
		_, err := h.connect(t, "dev1", nil, nil).Call(context.Background(), "/dev1/x/y", nil)
		wantCode(t, err, call.Forbidden)
	}
}

// TestChain has a head that is a worker of another head.
func TestChain(t *testing.T) {
	ctx := context.Background()
	top := start(t, map[string][]string{"mid": {"node:register:mid"}, "user": {"deep"}}, nil)
	mid := start(t, map[string][]string{"dev": {"node:register:dev"}}, nil)
	who := func(_ context.Context, req *call.Request) (any, error) { return req.Identity().ID, nil }
	registry := call.NewRegistry()
	must(t, registry.Handle(call.OperationSpec{Name: "/x/who", AccessControl: call.AccessControl{RequiredScopes: []string{"deep"}}}, who))
	must(t, registry.HandleStream(call.OperationSpec{Name: "/x/count"}, func(_ context.Context, _ *call.Request, send func(any) error) error {
		for i := range 1000 {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, mid.registry.Handle(call.OperationSpec{Name: "/m/who"}, who))
	// The middle one is connected first: what joins it later is announced upwards.
	upward := top.connect(t, "mid", mid.registry, nil)
	must(t, upward.Join(ctx, "mid"))
	worker := mid.connect(t, "dev", registry, nil)
	must(t, worker.Join(ctx, "dev"))
	must(t, upward.Announced(ctx))
	user := top.connect(t, "user", nil, nil)
	for _, op := range []string{"/mid/m/who", "/mid/dev/x/who"} {
		got, err := user.Call(ctx, op, nil)
		if err != nil || string(got) != `"`+top.id("user")+`"` {
			t.Errorf("%s: %s, %v", op, got, err)
		}
	}
	sub, err := user.Subscribe(ctx, "/mid/dev/x/count", nil, call.WithWindow(8))
	must(t, err)
	for i := range 1000 {
		if event, err := sub.Next(ctx); err != nil || string(event) != fmt.Sprint(i) {
			t.Fatalf("event %d: %s, %v", i, event, err)
		}
	}
	if _, err := sub.Next(ctx); err != io.EOF {
		t.Errorf("end: %v", err)
	}
	must(t, top.registry.SetAccessRules([]call.AccessRule{{Path: "/**/x/*", Scopes: []string{"shell"}}}))
	_, err = user.Call(ctx, "/mid/dev/x/who", nil)
	wantCode(t, err, call.Forbidden)
	must(t, top.registry.SetAccessRules(nil))
	must(t, mid.registry.SetAccessRules([]call.AccessRule{{Path: "/*/x/*", Scopes: []string{"shell"}}}))
	_, err = user.Call(ctx, "/mid/dev/x/who", nil)
	wantCode(t, err, call.Forbidden)
	closeNow(worker)
	watch, err := user.Subscribe(ctx, "/head/nodes/watch", map[string]bool{"snapshot": true})
	must(t, err)
	for nextEvent(t, watch).Node.Operations > 1 { // until the middle one has announced that it is gone
	}
	_, err = user.Call(ctx, "/mid/dev/x/who", nil)
	wantCode(t, err, call.NotFound)
}

// TestRing has two heads that are each other's workers: what they announce to each
// other does not grow.
func TestRing(t *testing.T) {
	ctx := context.Background()
	a, b := start(t, nil, nil), start(t, nil, nil)
	a.grant("b", b.key, "node:register")
	b.grant("a", a.key, "node:register")
	must(t, a.registry.Handle(call.OperationSpec{Name: "/x/a"}, reply("a")))
	must(t, b.registry.Handle(call.OperationSpec{Name: "/x/b"}, reply("b")))
	up := a.connect(t, "b", b.registry, nil)
	must(t, up.Join(ctx, "b"))
	down := b.connect(t, "a", a.registry, nil)
	must(t, down.Join(ctx, "a"))
	must(t, up.Announced(ctx))
	must(t, down.Announced(ctx))
	got, err := up.Call(ctx, "/services/list", nil)
	if err != nil || strings.Contains(string(got), `"/b/a/`) || !strings.Contains(string(got), `"/b/x/b"`) {
		t.Errorf("the ring announces %s, %v", got, err)
	}
	if got, err := up.Call(ctx, "/b/x/b", nil); err != nil || string(got) != `"b"` {
		t.Errorf("%s, %v", got, err)
	}
}

// A node registers under the identity of its session, and who may not has its input not
// looked at.
func TestRegisteringNeedsItsOwnIdentity(t *testing.T) {
	h := start(t, map[string][]string{"dev1": {"node:register"}, "user": {}}, nil)
	user := h.connect(t, "user", nil, nil)
	for _, input := range []string{`"x"`, `{"node":5}`, `{"node":"NOT A NAME","operations":[]}`, `{"node":"dev1","operations":[]}`} {
		wantCode(t, register(user, input), call.Forbidden)
	}
	worker := h.connect(t, "dev1", nil, nil)
	wantCode(t, register(worker, `{"node":5}`), call.InvalidInput)
	token, err := auth.NewToken(h.keys["dev1"], time.Now())
	must(t, err)
	_, err = user.Call(context.Background(), "/head/services/register", json.RawMessage(`{"node":"dev1","operations":[]}`), call.WithAuthToken(token))
	wantCode(t, err, call.Forbidden)
	_, err = worker.Call(context.Background(), "/head/services/register", json.RawMessage(`{"node":"dev1","operations":[]}`), call.WithAuthToken(token))
	wantCode(t, err, call.Forbidden)
}

// What the head's rules hide is hidden by every list and every spec, also those of a node
// behind it.
func TestHiddenOperations(t *testing.T) {
	ctx := context.Background()
	h := start(t, map[string][]string{"dev1": {"node:register"}, "user": {}}, func(c *node.HeadConfig) {
		c.Access = []call.AccessRule{{Path: "/dev1/hidden/*", Scopes: []string{"hidden"}}}
	})
	worker := h.connect(t, "dev1", offer(t, call.OperationSpec{Name: "/hidden/op"}, call.OperationSpec{Name: "/open/op"}), nil)
	must(t, worker.Join(ctx, "dev1"))
	user := h.connect(t, "user", nil, nil)
	for _, list := range []string{"/services/list", "/dev1/services/list"} {
		listed, err := user.Call(ctx, list, nil)
		must(t, err)
		if strings.Contains(string(listed), "hidden") || !strings.Contains(string(listed), "open/op") {
			t.Errorf("%s: %s", list, listed)
		}
	}
	for name, schema := range map[string]string{"/dev1/hidden/op": "/services/schema", "/hidden/op": "/dev1/services/schema"} {
		_, err := user.Call(ctx, schema, map[string]string{"name": name})
		wantCode(t, err, call.NotFound)
	}
	spec, err := user.Call(ctx, "/dev1/services/schema", map[string]string{"name": "/open/op"})
	if err != nil || !strings.Contains(string(spec), `"/open/op"`) {
		t.Errorf("%s, %v", spec, err)
	}
	_, err = user.Call(ctx, "/dev1/hidden/op", nil)
	wantCode(t, err, call.Forbidden)
}
