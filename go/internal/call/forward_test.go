package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

// routes is the plainest Router.
type routes map[string]*Remote

func (r routes) Find(name string) *Remote { return r[name] }
func (r routes) Visit(visit func(*Remote)) {
	for _, o := range r {
		visit(o)
	}
}

// link opens a session whose two sides are configured; the dialling one has no token.
func link(t testing.TB, accepting, dialling Config) (*Session, *Session) {
	t.Helper()
	a, b := connPair(t)
	accepting.KeyProven, dialling.KeyProven = true, true
	accepted := make(chan *Session, 1)
	go func() {
		s, err := Accept(context.Background(), tcpLink{a}, accepting)
		if err != nil {
			panic(err)
		}
		accepted <- s
	}()
	dialed, err := Open(context.Background(), tcpLink{b}, dialling)
	must(t, err)
	s := <-accepted
	t.Cleanup(func() { dialed.Close("test over"); s.Close("test over") })
	return s, dialed
}

// network is a client, a head and a worker called dev1; the client is alice.
type network struct {
	head    *Registry
	client  *Session
	atHead  *Session // the client's session, seen from the head
	worker  *Session // the head's session with the worker, seen from the head
	dev1    *Session // the same, seen from the worker
	routes  routes
	offered *Registry
}

// newNetwork routes all that the worker offers.
func newNetwork(t testing.TB, offered *Registry, limits Limits) *network {
	t.Helper()
	n := &network{head: echo(t, NewRegistry()), offered: offered, routes: routes{}}
	n.worker, n.dev1 = link(t, Config{Registry: n.head, Identity: users["bob"], Limits: limits},
		Config{Registry: offered, TrustForwarded: true, Identity: &auth.Identity{ID: "head"}})
	for _, spec := range offered.Specs() {
		if spec.Namespace() == "services" || spec.Visibility == VisibilityInternal {
			continue
		}
		o, err := NewRemote(n.worker, "/dev1", spec, 0)
		must(t, err)
		n.routes[o.Spec().Name] = o
	}
	n.head.SetRouter(n.routes)
	n.atHead, n.client = link(t, Config{Registry: n.head, Identity: users["alice"], Tokens: users, Limits: limits}, Config{Registry: NewRegistry()})
	return n
}

func TestForward(t *testing.T) {
	type seen struct {
		identity, forwarded *auth.Identity
		metadata            map[string]string
		parent              string
		hops                int
		deadline            time.Time
	}
	saw := make(chan seen, 1)
	offered := echo(t, NewRegistry())
	must(t, offered.Handle(OperationSpec{Name: "/look/at"}, func(_ context.Context, req *Request) (any, error) {
		s := seen{identity: req.Identity(), metadata: req.Metadata(), parent: req.ParentRequestID(), hops: req.params.hops}
		s.forwarded, _ = req.ForwardedFor()
		s.deadline, _ = req.Deadline()
		saw <- s
		return req.Input(), nil
	}))
	must(t, offered.Handle(OperationSpec{Name: "/fail/coded"}, func(context.Context, *Request) (any, error) {
		return nil, &Error{Code: "OUT_OF_PAPER", Message: "tray 2", Retryable: true, Details: json.RawMessage(`{"n":18446744073709551615}`)}
	}))
	access := AccessControl{RequiredScopes: []string{"fs:read"}, ResourceType: "project", ResourceIDPath: "/p"}
	must(t, offered.Handle(OperationSpec{Name: "/fs/project", AccessControl: access}, func(context.Context, *Request) (any, error) { return "ok", nil }))
	must(t, offered.Handle(OperationSpec{Name: "/fs/admin", AccessControl: AccessControl{RequiredScopes: []string{"admin"}}}, func(context.Context, *Request) (any, error) { return "ok", nil }))
	n := newNetwork(t, offered, Limits{})
	ctx := context.Background()

	input := json.RawMessage(`{"n":18446744073709551615,  "f":1e400,"s":"\u00e9"}`)
	deadline := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	got, err := n.client.Call(ctx, "/dev1/look/at", input, WithMetadata(map[string]string{"traceparent": `00-"1"`}),
		func(o *Options) { o.Deadline, o.ParentRequestID = deadline, "p1" })
	if err != nil || string(got) != string(input) {
		t.Fatalf("%s, %v", got, err)
	}
	s := <-saw
	if s.identity.ID != "alice" || s.forwarded != s.identity || s.metadata["traceparent"] != `00-"1"` || s.parent != "p1" || s.hops != 1 || s.deadline.Sub(deadline).Abs() > time.Second {
		t.Errorf("the worker saw %+v", s)
	}
	if got, want := fmt.Sprint(s.identity.Scopes, s.identity.Resources), fmt.Sprint(users["alice"].Scopes, users["alice"].Resources); got != want {
		t.Errorf("forwarded %s, want %s", got, want)
	}
	large := json.RawMessage(`"` + strings.Repeat("x", 2<<20) + `"`)
	if got, err := n.client.Call(ctx, "/dev1/echo/echo", large); err != nil || string(got) != string(large) {
		t.Errorf("2 MiB: %d bytes, %v", len(got), err)
	}
	_, err = n.client.Call(ctx, "/dev1/fail/coded", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != "OUT_OF_PAPER" || !e.Retryable || string(e.Details) != `{"n":18446744073709551615}` {
		t.Errorf("error %#v", err)
	}
	for _, c := range []struct {
		op, input string
		options   []Option
		want      Code
	}{
		{"/dev1/no/such", `1`, nil, NotFound}, {"/dev2/echo/echo", `1`, nil, NotFound}, {"/dev1", `1`, nil, InvalidInput},
		{"/dev1/fs/project", `{"p":"p1"}`, nil, ""}, {"/dev1/fs/project", `{"p":"p2"}`, nil, Forbidden}, {"/dev1/fs/project", `{}`, nil, Forbidden},
		{"/dev1/fs/admin", `1`, nil, Forbidden},
		{"/dev1/fs/project", `{"p":"p1"}`, []Option{WithAuthToken("bob")}, Forbidden}, {"/dev1/echo/echo", `1`, []Option{WithAuthToken("bob")}, ""},
		{"/dev1/echo/echo", `1`, []Option{WithAuthToken("mallory")}, Unauthenticated},
		{"/dev1/echo/echo", `1`, []Option{func(o *Options) { o.Deadline = time.Now().Add(-time.Second) }}, Timeout},
	} {
		_, err := n.client.Call(ctx, c.op, json.RawMessage(c.input), c.options...)
		if (err == nil) != (c.want == "") || err != nil && CodeOf(err) != c.want {
			t.Errorf("%s %s: %v, want %q", c.op, c.input, err, c.want)
		}
	}
	if _, err := n.client.Call(ctx, "/dev1/look/at", 1, WithAuthToken("bob")); err != nil {
		t.Error(err)
	} else if s := <-saw; s.identity.ID != "bob" {
		t.Errorf("under a token the worker saw %+v", s.identity)
	}
	must(t, n.head.SetAccessRules([]AccessRule{{Path: "/*/look/*", Scopes: []string{"shell"}}}))
	_, err = n.client.Call(ctx, "/dev1/look/at", 1)
	wantCode(t, err, Forbidden)
	list, err := n.client.Call(ctx, "/services/list", nil)
	if err != nil || !strings.Contains(string(list), `"name":"/dev1/fs/project","namespace":"dev1/fs"`) || strings.Contains(string(list), "look") || strings.Contains(string(list), "admin") {
		t.Errorf("list: %s, %v", list, err)
	}
	must(t, n.head.SetAccessRules(nil))
	spec, err := n.client.Call(ctx, "/services/schema", map[string]string{"name": "/dev1/look/at"})
	if err != nil || !strings.Contains(string(spec), `"name":"/dev1/look/at"`) {
		t.Errorf("schema: %s, %v", spec, err)
	}
	n.dev1.Close("gone")
	<-n.worker.Context().Done()
	_, err = n.client.Call(ctx, "/dev1/echo/echo", 1)
	wantCode(t, err, Unavailable)
}

// TestForgery sends what a caller may not say of itself.
func TestForgery(t *testing.T) {
	who := func(_ context.Context, req *Request) (any, error) { return req.Identity(), nil }
	registry := NewRegistry()
	must(t, registry.Handle(OperationSpec{Name: "/who/ami"}, who))
	offered := NewRegistry()
	must(t, offered.Handle(OperationSpec{Name: "/who/ami"}, who))
	n := newNetwork(t, offered, Limits{})
	must(t, n.head.Handle(OperationSpec{Name: "/who/ami"}, who))
	a, b := connPair(t)
	s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: n.head, KeyProven: true, Identity: users["bob"], Tokens: users})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	frames := wire.NewReader(b, 0)
	const root = `{"id":"root","scopes":["*","admin"]}`
	for i, c := range []struct {
		payload string
		want    string // a code, or what the answer holds
	}{
		{`{"operationId":"/who/ami","forwardedFor":` + root + `}`, "FORBIDDEN"},
		{`{"operationId":"/dev1/who/ami","forwardedFor":` + root + `}`, "FORBIDDEN"},
		{`{"operationId":"/dev1/who/ami","forwardedFor":null}`, "FORBIDDEN"},
		{`{"operationId":"/who/ami","identity":` + root + `}`, `"bob"`},
		{`{"operationId":"/dev1/who/ami","identity":` + root + `}`, `"bob"`},
		{`{"operationId":"/dev1/who/ami","hops":7}`, `"bob"`},
		{`{"operationId":"/dev1/who/ami","hops":8}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","hops":999999999999}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","hops":-1}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","hops":"0"}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","parentRequestId":"1"}`, `"bob"`},
		{`{"operationId":"/dev1/who/ami","parentRequestId":7}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","parentRequestId":"` + strings.Repeat("x", 129) + `"}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","metadata":{"a":1}}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","metadata":[]}`, "INVALID_INPUT"},
		{`{"operationId":"/dev1/who/ami","metadata":null}`, `"bob"`},
	} {
		send(t, b, wire.Requested, fmt.Sprint(i), c.payload)
		env := next(t, frames)
		if !strings.Contains(string(env.Payload), c.want) || strings.Contains(string(env.Payload), "root") {
			t.Errorf("%s: %s %s, want %s", c.payload, env.Type, env.Payload, c.want)
		}
	}

	// A head that is pinned is believed, but its malformed words are refused.
	a2, b2 := connPair(t)
	trusting, err := Accept(context.Background(), tcpLink{a2}, Config{Registry: registry, KeyProven: true, TrustForwarded: true, Tokens: users})
	must(t, err)
	t.Cleanup(func() { b2.Close(); trusting.Close("test over") })
	frames = wire.NewReader(b2, 0)
	for i, c := range []struct{ member, want string }{
		{`"forwardedFor":` + root, `"root"`}, {`"forwardedFor":null`, `"output":null`}, {`"forwardedFor":7`, "INVALID_INPUT"},
		{`"forwardedFor":{}`, "INVALID_INPUT"}, {`"forwardedFor":{"id":"a","scopes":"b"}`, "INVALID_INPUT"}, {`"forwardedFor":` + root + `,"authToken":"bob"`, "INVALID_INPUT"},
	} {
		send(t, b2, wire.Requested, fmt.Sprint(i), `{"operationId":"/who/ami",`+c.member+`}`)
		if env := next(t, frames); !strings.Contains(string(env.Payload), c.want) {
			t.Errorf("%s: %s, want %s", c.member, env.Payload, c.want)
		}
	}
}

func TestForwardedSubscription(t *testing.T) {
	const events, window = 20_000, 16
	var ahead, most atomic.Int64
	stopped := make(chan error, 1)
	offered := NewRegistry()
	must(t, offered.HandleStream(OperationSpec{Name: "/s/count"}, func(_ context.Context, req *Request, send func(any) error) error {
		var to int
		must(t, json.Unmarshal(req.Input(), &to))
		for i := 0; i < to; i++ {
			if err := send(i); err != nil {
				stopped <- err
				return err
			}
			if n := ahead.Add(1); n > most.Load() {
				most.Store(n)
			}
		}
		return nil
	}))
	n := newNetwork(t, offered, Limits{})
	ctx := context.Background()
	sub, err := n.client.Subscribe(ctx, "/dev1/s/count", events, WithWindow(window))
	must(t, err)
	for i := range events {
		got, err := sub.Next(ctx)
		if err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("event %d: %s, %v", i, got, err)
		}
		ahead.Add(-1)
	}
	if _, err := sub.Next(ctx); err != io.EOF {
		t.Fatalf("end: %v", err)
	}
	if most.Load() > window+window/2+1 {
		t.Errorf("the producer was %d events ahead of a window of %d", most.Load(), window)
	}

	// A reader that stops reading stops the producer, and leaving stops it for good.
	sub, err = n.client.Subscribe(ctx, "/dev1/s/count", 1<<40)
	must(t, err)
	_, err = sub.Next(ctx)
	must(t, err)
	sub.Close()
	wantCode(t, <-stopped, Aborted)
	// One that is called gives one answer.
	if got, err := n.client.Call(ctx, "/dev1/s/count", 1<<40); err != nil || string(got) != "0" {
		t.Errorf("call of a subscription: %s, %v", got, err)
	}
	<-stopped // aborted, or for want of a window
	// The end of the caller's session stops it too.
	sub, err = n.client.Subscribe(ctx, "/dev1/s/count", 1<<40)
	must(t, err)
	_, err = sub.Next(ctx)
	must(t, err)
	n.client.Close("left")
	wantCode(t, <-stopped, Aborted)
	if n.atHead.queued.Load() != 0 || n.worker.Err() != nil {
		t.Errorf("%d bytes queued, worker's session %v", n.atHead.queued.Load(), n.worker.Err())
	}
}

func TestForwardedSubscriptionOfCallAndIdleTimeout(t *testing.T) {
	offered := echo(t, NewRegistry())
	ended := make(chan struct{})
	must(t, offered.HandleStream(OperationSpec{Name: "/s/silent"}, func(ctx context.Context, _ *Request, _ func(any) error) error {
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}))
	n := newNetwork(t, offered, Limits{})
	ctx := context.Background()
	sub, err := n.client.Subscribe(ctx, "/dev1/echo/echo", 7)
	must(t, err)
	if got, err := sub.Next(ctx); err != nil || string(got) != "7" {
		t.Errorf("subscription of a call: %s, %v", got, err)
	}
	if _, err := sub.Next(ctx); err != io.EOF {
		t.Errorf("its end: %v", err)
	}
	sub, err = n.client.Subscribe(ctx, "/dev1/s/silent", nil, WithIdleTimeout(MinIdleTimeout))
	must(t, err)
	_, err = sub.Next(ctx)
	wantCode(t, err, Timeout)
	<-ended
}

// TestForwardedCallsEnd ends calls in every way while they are with the worker.
func TestForwardedCallsEnd(t *testing.T) {
	started, cause := make(chan struct{}, 1), make(chan error, 1)
	offered := NewRegistry()
	must(t, offered.Handle(OperationSpec{Name: "/h/hang"}, func(ctx context.Context, _ *Request) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil, ctx.Err()
	}))
	n := newNetwork(t, offered, Limits{MaxInFlight: 2})
	call := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		go func() { _, err := n.client.Call(ctx, "/dev1/h/hang", nil); done <- err }()
		<-started
		return done
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := call(ctx)
	cancel()
	wantCode(t, <-done, Aborted)
	wantCode(t, <-cause, Aborted)
	ctx, cancel = context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	wantCode(t, <-call(ctx), Timeout)
	if code := CodeOf(<-cause); code != Timeout && code != Aborted { // its own clock, or the head's
		t.Errorf("the handler was stopped with %s", code)
	}
	done = call(context.Background())
	other := call(context.Background())
	_, err := n.client.Call(context.Background(), "/dev1/h/hang", nil, WithTimeout(20*time.Millisecond))
	if wantCode(t, err, Timeout); Sent(err) { // it waited for one of the two to end
		t.Errorf("%v: it was sent", err)
	}
	n.dev1.Close("killed")
	for _, c := range []chan error{done, other} {
		err := <-c
		wantCode(t, err, Unavailable)
		if strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("the error tells the worker's address: %v", err)
		}
	}
	<-cause
	<-cause
}

// TestHostileWorker plays the worker by hand: it answers what it was not asked, sends
// more than it may, and errors that are none.
func TestHostileWorker(t *testing.T) {
	head := echo(t, NewRegistry())
	worker, conn, frames := raw(t, head, Limits{})
	table := routes{}
	for _, spec := range []OperationSpec{{Name: "/w/call"}, {Name: "/w/sub", Type: TypeSubscription}} {
		o, err := NewRemote(worker, "/dev1", spec, 0)
		must(t, err)
		table[o.Spec().Name] = o
	}
	head.SetRouter(table)
	_, client := link(t, Config{Registry: head, Identity: users["alice"]}, Config{Registry: NewRegistry()})
	ctx := context.Background()
	answer := func(op string, respond func(id string)) chan error {
		done := make(chan error, 1)
		go func() { _, err := client.Call(ctx, op, 1, WithTimeout(10*time.Second)); done <- err }()
		env := next(t, frames)
		if env.Type != wire.Requested {
			t.Fatalf("the worker got %s %s", env.Type, env.Payload)
		}
		respond(env.ID)
		return done
	}
	must(t, <-answer("/dev1/w/call", func(id string) {
		for _, forged := range []string{"1000", "", "01", "x", "-1", id + "0"} {
			send(t, conn, wire.Responded, forged, `{"output":"forged"}`)
			send(t, conn, wire.Completed, forged, `{}`)
			send(t, conn, wire.Aborted, forged, `{}`)
			send(t, conn, wire.Credit, forged, `{"n":5}`)
		}
		send(t, conn, wire.Responded, id, `{"output":1}`)
		send(t, conn, wire.Responded, id, `{"output":"again"}`)
	}))
	env := next(t, frames) // the second answer: nobody waits for it
	if env.Type != wire.Aborted {
		t.Errorf("the worker got %s %s", env.Type, env.Payload)
	}
	if worker.Stats().Dropped < 12 {
		t.Errorf("%d events dropped", worker.Stats().Dropped)
	}
	wantCode(t, <-answer("/dev1/w/call", func(id string) { send(t, conn, wire.Completed, id, `{}`) }), Internal)
	wantCode(t, <-answer("/dev1/w/call", func(id string) { send(t, conn, wire.Failed, id, `7`) }), Internal)
	wantCode(t, <-answer("/dev1/w/call", func(id string) { send(t, conn, wire.Aborted, id, `{}`) }), Aborted)

	// The head itself holds it to its caller's credit: this caller counts nothing.
	a, b := connPair(t)
	s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: head, KeyProven: true, Identity: users["alice"]})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	send(t, b, wire.Requested, "s", `{"operationId":"/dev1/w/sub","window":2}`)
	env = next(t, frames)
	for i := range 4 {
		send(t, conn, wire.Responded, env.ID, fmt.Sprintf(`{"output":%d}`, i))
	}
	seen := wire.NewReader(b, 0)
	for i := range 2 {
		if got := next(t, seen); got.Type != wire.Responded || string(got.Payload) != fmt.Sprintf(`{"output":%d}`, i) {
			t.Errorf("event %d: %s %s", i, got.Type, got.Payload)
		}
	}
	got := next(t, seen)
	if got.Type != wire.Failed {
		t.Fatalf("after its credit: %s %s", got.Type, got.Payload)
	}
	wantCode(t, parseError(got.Payload), ProtocolError)
	if got := next(t, frames); got.Type != wire.Aborted || got.ID != env.ID {
		t.Errorf("the worker was told %s %s", got.Type, got.ID)
	}
}

func TestForwardWithoutWindow(t *testing.T) {
	stopped := make(chan error, 1)
	offered := NewRegistry()
	must(t, offered.HandleStream(OperationSpec{Name: "/s/flood"}, func(_ context.Context, _ *Request, send func(any) error) error {
		for {
			if err := send(strings.Repeat("x", 10_000)); err != nil {
				stopped <- err
				return err
			}
		}
	}))
	n := newNetwork(t, offered, Limits{})
	a, b := connPair(t)
	s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: n.head, KeyProven: true, Identity: users["alice"]})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	send(t, b, wire.Requested, "1", `{"operationId":"/dev1/s/flood"}`)
	<-stopped // nothing is read until the producer was stopped
	frames := wire.NewReader(b, 0)
	for {
		env := next(t, frames)
		if env.Type == wire.Failed {
			wantCode(t, parseError(env.Payload), ResourceExhausted)
			return
		}
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"/a/b", "/a/b", true}, {"/a/b", "/a/b/c", false}, {"/a/b", "/a", false}, {"/*/bash/*", "/dev1/bash/run", true},
		{"/*/bash/*", "/bash/run", false}, {"/*/bash/*", "/a/b/bash/run", false}, {"/**/bash/*", "/bash/run", true},
		{"/**/bash/*", "/a/b/bash/run", true}, {"/**/bash/*", "/a/bash", false}, {"/a/**", "/a/b/c", true}, {"/a/**", "/a", true},
		{"/**", "/x/y", true}, {"/*", "/x/y", false}, {"/a/**/z", "/a/z", true}, {"/a/**/z", "/a/b/c/z", true}, {"/a/**/z", "/z", false},
	} {
		p, err := parsePattern(c.pattern)
		must(t, err)
		if p.match(c.name) != c.want {
			t.Errorf("%s matches %s: want %v", c.pattern, c.name, c.want)
		}
	}
	for _, bad := range []string{"", "a/b", "/a//b", "/a/*b", "/**/x/**", "/a b", "/" + strings.Repeat("x", 600)} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	r := NewRegistry()
	for _, bad := range []AccessRule{{Path: "/a"}, {Path: "/a/b", Scopes: []string{""}}, {Path: "x", Scopes: []string{"s"}}} {
		if err := r.SetAccessRules([]AccessRule{bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
