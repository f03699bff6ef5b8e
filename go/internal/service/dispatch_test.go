package service

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
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

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := auth.GenerateKey()
	must(t, err)
	return key
}

func grants(key ed25519.PrivateKey, scopes ...string) *auth.KeySet {
	return auth.NewKeySet([]auth.Grant{{Key: key.Public().(ed25519.PublicKey), Scopes: scopes}}, nil)
}

// listens are what services listen on.
func listens(t testing.TB) map[string]string {
	return map[string]string{"unix": "unix://" + filepath.Join(t.TempDir(), "s"), "quic": "quic://127.0.0.1:0"}
}

// serve starts a service and connects a node to it.
func serve(t testing.TB, listen string, cfg ServerConfig, scopes ...string) (*Server, *Client) {
	t.Helper()
	key := newKey(t)
	cfg.Listen, cfg.Key, cfg.Provider = []string{listen}, newKey(t), grants(key, scopes...)
	server, err := Serve(context.Background(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	client, err := Connect(context.Background(), ClientConfig{Address: server.Addresses()[0], Key: key})
	must(t, err)
	t.Cleanup(client.Close)
	return server, client
}

// link is the plainest call.Link.
type testLink struct{ net.Conn }

func (l testLink) Close(string) error { return l.Conn.Close() }
func (l testLink) KeepsAlive() bool   { return true }

// session opens a session between two registries over loopback; the accepting side
// knows the other as identity.
func session(t testing.TB, accepting, dialling *call.Registry, identity *auth.Identity) (accepted, dialed *call.Session) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	there, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	here, err := ln.Accept()
	must(t, err)
	opened := make(chan *call.Session, 1)
	go func() {
		s, err := call.Accept(context.Background(), testLink{here}, call.Config{Registry: accepting, KeyProven: true, Identity: identity})
		if err != nil {
			panic(err)
		}
		opened <- s
	}()
	dialed, err = call.Open(context.Background(), testLink{there}, call.Config{Registry: dialling, KeyProven: true, TrustForwarded: true})
	must(t, err)
	accepted = <-opened
	t.Cleanup(func() { dialed.Close("over"); accepted.Close("over") })
	return accepted, dialed
}

// routes is the plainest call.Router.
type routes map[string]*call.Remote

func (r routes) Find(name string) *call.Remote { return r[name] }
func (r routes) Visit(visit func(*call.Remote)) {
	for _, o := range r {
		visit(o)
	}
}

// operations are what the suite invokes, wherever they are.
type operations struct {
	ahead, most atomic.Int64
	stopped     chan error // why a handler that runs for ever was stopped
}

func (o *operations) register(t testing.TB, r *call.Registry) {
	t.Helper()
	handle := func(spec call.OperationSpec, h call.Handler) { must(t, r.Handle(spec, h)) }
	handle(call.OperationSpec{Name: "/x/echo"}, func(_ context.Context, req *call.Request) (any, error) { return req.Input(), nil })
	handle(call.OperationSpec{Name: "/x/who"}, func(_ context.Context, req *call.Request) (any, error) {
		deadline, _ := req.Deadline()
		return map[string]any{"id": req.Identity().ID, "scopes": req.Identity().Scopes, "parent": req.ParentRequestID() != "", "metadata": req.Metadata(), "deadline": deadline.UnixMilli()}, nil
	})
	handle(call.OperationSpec{Name: "/x/admin", AccessControl: call.AccessControl{RequiredScopes: []string{"admin"}}}, func(context.Context, *call.Request) (any, error) { return 1, nil })
	handle(call.OperationSpec{Name: "/x/project", AccessControl: call.AccessControl{ResourceType: "project", ResourceIDPath: "/p"}}, func(context.Context, *call.Request) (any, error) { return 1, nil })
	handle(call.OperationSpec{Name: "/x/schema", InputSchema: json.RawMessage(`{"type":"object","required":["n"]}`)}, func(context.Context, *call.Request) (any, error) { return 1, nil })
	handle(call.OperationSpec{Name: "/x/coded"}, func(context.Context, *call.Request) (any, error) {
		return nil, &call.Error{Code: "OUT_OF_PAPER", Message: "tray 2", Retryable: true, Details: json.RawMessage(`{"n":18446744073709551615}`)}
	})
	handle(call.OperationSpec{Name: "/x/plain"}, func(context.Context, *call.Request) (any, error) { return nil, errors.New("the password is hunter2") })
	handle(call.OperationSpec{Name: "/x/panics"}, func(context.Context, *call.Request) (any, error) { panic("hunter2") })
	handle(call.OperationSpec{Name: "/x/hang"}, func(ctx context.Context, _ *call.Request) (any, error) {
		<-ctx.Done()
		o.stopped <- context.Cause(ctx)
		return nil, ctx.Err()
	})
	must(t, r.HandleStream(call.OperationSpec{Name: "/x/count"}, func(_ context.Context, req *call.Request, send func(any) error) error {
		var to int
		must(t, json.Unmarshal(req.Input(), &to))
		for i := range to {
			if err := send(i); err != nil {
				o.stopped <- err
				return err
			}
			if n := o.ahead.Add(1); n > o.most.Load() {
				o.most.Store(n)
			}
		}
		return nil
	}))
	must(t, r.HandleStream(call.OperationSpec{Name: "/x/breaks"}, func(_ context.Context, _ *call.Request, send func(any) error) error {
		if err := send(1); err != nil {
			return err
		}
		return &call.Error{Code: "OUT_OF_PAPER", Message: "tray 2"}
	}))
	must(t, r.HandleStream(call.OperationSpec{Name: "/x/silent"}, func(ctx context.Context, _ *call.Request, _ func(any) error) error {
		<-ctx.Done()
		o.stopped <- context.Cause(ctx)
		return ctx.Err()
	}))
}

// TestDispatch runs one suite over every place where an operation can be that a
// handler invokes: the registry, a service over each of its links, another node. The
// suite itself is a handler, and cannot tell which it is.
func TestDispatch(t *testing.T) {
	places := map[string]func(*testing.T, *call.Registry, *operations) (namespace string){
		"local": func(t *testing.T, node *call.Registry, o *operations) string {
			o.register(t, node)
			return "x"
		},
		"node": func(t *testing.T, node *call.Registry, o *operations) string {
			worker := call.NewRegistry()
			o.register(t, worker)
			s, _ := session(t, node, worker, &auth.Identity{ID: "dev1"})
			table := routes{}
			for _, spec := range worker.Specs() {
				if spec.Namespace() == "x" {
					remote, err := call.NewRemote(s, "/dev1", spec, 0)
					must(t, err)
					table[remote.Spec().Name] = remote
				}
			}
			node.SetRouter(table)
			return "dev1/x"
		},
	}
	for name, listen := range listens(t) {
		places["service over "+name] = func(t *testing.T, node *call.Registry, o *operations) string {
			process := call.NewRegistry()
			o.register(t, process)
			_, client := serve(t, listen, ServerConfig{Registry: process}, ScopeOperations)
			must(t, node.Attach("x", client))
			return "x"
		}
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			o := &operations{stopped: make(chan error, 8)}
			node := call.NewRegistry()
			namespace := place(t, node, o)
			identity := &auth.Identity{ID: "orchestrator", Scopes: []string{"a", "b"}, Resources: map[string][]string{"project": {"p1"}}}
			failed := make(chan error, 1)
			must(t, node.Handle(call.OperationSpec{Name: "/c/suite"}, func(ctx context.Context, req *call.Request) (any, error) {
				defer close(failed)
				suite(t, ctx, req, namespace, o)
				return nil, nil
			}, call.WithAuthority(identity), call.WithReach("/**")))
			_, user := session(t, node, call.NewRegistry(), &auth.Identity{ID: "user", Scopes: []string{"admin"}})
			_, err := user.Call(context.Background(), "/c/suite", nil, call.WithMetadata(map[string]string{"traceparent": "00-1"}), call.WithTimeout(time.Minute))
			must(t, err)
		})
	}
}

// suite is what every place must do alike. It reports through t, on a handler's
// goroutine: it must not call FailNow.
func suite(t *testing.T, ctx context.Context, req *call.Request, namespace string, o *operations) {
	large := json.RawMessage(`"` + strings.Repeat("x", 2<<20) + `"`)
	for _, c := range []struct {
		op    string
		input any
		want  string // a code, or the output
	}{
		{"echo", json.RawMessage(`{"n":18446744073709551615,  "f":1e400,"s":"\u00e9"}`), `{"n":18446744073709551615,  "f":1e400,"s":"\u00e9"}`},
		{"echo", nil, `null`}, {"echo", large, string(large)},
		{"none", nil, "NOT_FOUND"}, {"admin", nil, "FORBIDDEN"}, {"project", map[string]string{"p": "p1"}, "1"}, {"project", map[string]string{"p": "p2"}, "FORBIDDEN"},
		{"schema", map[string]int{"n": 1}, "1"}, {"schema", 7, "INVALID_INPUT"}, {"coded", nil, "OUT_OF_PAPER"}, {"plain", nil, "INTERNAL"}, {"panics", nil, "INTERNAL"},
	} {
		got, err := req.Invoke(ctx, namespace, c.op, c.input)
		var e *call.Error
		switch {
		case err == nil && string(got) != c.want:
			t.Errorf("%s: %.100s, want %.100s", c.op, got, c.want)
		case err != nil && (!errors.As(err, &e) || string(e.Code) != c.want || strings.Contains(e.Message, "hunter2")):
			t.Errorf("%s: %v, want %.100s", c.op, err, c.want)
		case c.op == "coded" && (!e.Retryable || e.Message != "tray 2" || string(e.Details) != `{"n":18446744073709551615}`):
			t.Errorf("%s: %#v", c.op, e)
		case c.want == "INVALID_INPUT" && !strings.Contains(string(e.Details), "violations"):
			t.Errorf("%s: details %s", c.op, e.Details)
		}
	}
	deadline, _ := req.Deadline()
	got, err := req.Invoke(ctx, namespace, "who", nil, call.WithMetadata(map[string]string{"more": "1"}))
	if want := fmt.Sprintf(`{"deadline":%d,"id":"orchestrator","metadata":{"more":"1","traceparent":"00-1"},"parent":true,"scopes":["a","b"]}`, deadline.UnixMilli()); err != nil || !sameButTime(string(got), want) {
		t.Errorf("who: %s, %v, want %s", got, err, want)
	}

	// The ends of a call that hangs.
	_, err = req.Invoke(ctx, namespace, "hang", nil, call.WithTimeout(30*time.Millisecond))
	if call.CodeOf(err) != call.Timeout {
		t.Errorf("timeout: %v", err)
	}
	if code := call.CodeOf(<-o.stopped); code != call.Timeout && code != call.Aborted { // whoever's clock is first
		t.Errorf("the handler was stopped with %s", code)
	}
	canceled, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { _, err := req.Invoke(canceled, namespace, "hang", nil); done <- err }()
	cancel()
	if err := <-done; call.CodeOf(err) != call.Aborted {
		t.Errorf("abort: %v", err)
	}
	// Streams: in order, with credit, and their ends.
	const events, window = 3000, 16
	o.ahead.Store(0)
	o.most.Store(0)
	sub, err := req.InvokeStream(ctx, namespace, "count", events, call.WithWindow(window))
	for i := 0; err == nil && i < events; i++ {
		var event json.RawMessage
		if event, err = sub.Next(ctx); err == nil && string(event) != fmt.Sprint(i) {
			t.Errorf("event %d: %s", i, event)
			break
		}
		o.ahead.Add(-1)
	}
	if err == nil {
		_, err = sub.Next(ctx)
	}
	if err != io.EOF || o.most.Load() > window+window/2+1 {
		t.Errorf("stream: %v, the producer was %d events ahead of a window of %d", err, o.most.Load(), window)
	}
	for len(o.stopped) > 0 { // of the aborted call, if it came that far
		<-o.stopped
	}
	if sub, err = req.InvokeStream(ctx, namespace, "count", 1<<40); err == nil {
		_, err = sub.Next(ctx)
		sub.Close()
	}
	if stopped := <-o.stopped; err != nil || call.CodeOf(stopped) != call.Aborted {
		t.Errorf("a reader that leaves: %v, the producer was stopped with %v", err, stopped)
	}
	if sub, err = req.InvokeStream(ctx, namespace, "breaks", nil); err == nil {
		_, err = sub.Next(ctx)
	}
	if _, broken := sub.Next(ctx); err != nil || call.CodeOf(broken) != "OUT_OF_PAPER" {
		t.Errorf("a stream that breaks: %v, %v", err, broken)
	}
	if sub, err = req.InvokeStream(ctx, namespace, "silent", nil, call.WithIdleTimeout(call.MinIdleTimeout)); err == nil {
		_, err = sub.Next(ctx)
	}
	if call.CodeOf(err) != call.Timeout {
		t.Errorf("a silent stream: %v", err)
	}
	<-o.stopped
	if sub, err = req.InvokeStream(ctx, namespace, "echo", 7); err == nil {
		if event, err := sub.Next(ctx); err != nil || string(event) != "7" {
			t.Errorf("subscription of a call: %s, %v", event, err)
		}
		_, err = sub.Next(ctx)
	}
	if err != io.EOF {
		t.Errorf("its end: %v", err)
	}
	if got, err := req.Invoke(ctx, namespace, "count", 1<<40); err != nil || string(got) != "0" {
		t.Errorf("call of a subscription: %s, %v", got, err)
	}
	<-o.stopped
	if _, err := req.InvokeStream(ctx, namespace, "count", 1, call.ContinueRunning()); err != nil {
		t.Errorf("continueRunning of a stream: %v", err)
	}
}

// sameButTime compares two answers of who, whose deadlines may differ by the rounding of
// the time that is left.
func sameButTime(a, b string) bool {
	var x, y struct{ Deadline int64 }
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	d := x.Deadline - y.Deadline
	return d > -1000 && d < 1000 && strings.Replace(a, strconv.FormatInt(x.Deadline, 10), strconv.FormatInt(y.Deadline, 10), 1) == b
}
