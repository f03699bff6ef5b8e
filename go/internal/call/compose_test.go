package call

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
)

// invoke registers an operation whose handler invokes another one and gives its
// answer, or its error.
func invoke(t testing.TB, r *Registry, name, namespace, op string, options ...HandleOption) {
	t.Helper()
	must(t, r.Handle(OperationSpec{Name: name}, func(ctx context.Context, req *Request) (any, error) {
		return req.Invoke(ctx, namespace, op, req.Input())
	}, options...))
}

func TestComposition(t *testing.T) {
	who := func(_ context.Context, req *Request) (any, error) {
		return map[string]any{"id": req.Identity().ID, "parent": req.ParentRequestID(), "metadata": req.Metadata(), "input": req.Input()}, nil
	}
	remote := NewRegistry()
	must(t, remote.Handle(OperationSpec{Name: "/w/who"}, who))
	must(t, remote.Handle(OperationSpec{Name: "/w/admin", AccessControl: AccessControl{RequiredScopes: []string{"admin"}}}, who))
	n := newNetwork(t, remote, Limits{})
	r := n.head
	schema := json.RawMessage(`{"type":"integer"}`)
	admin := AccessControl{RequiredScopes: []string{"fs:read"}} // alice has it, handlers do not unless given
	must(t, r.Handle(OperationSpec{Name: "/l/who"}, who))
	must(t, r.Handle(OperationSpec{Name: "/l/hidden", Visibility: VisibilityInternal}, who))
	must(t, r.Handle(OperationSpec{Name: "/l/admin", AccessControl: admin}, who))
	must(t, r.Handle(OperationSpec{Name: "/l/schema", InputSchema: schema}, who))
	must(t, r.Attach("svc", fakeService{}))
	all := WithReach("/l/*", "/dev1/w/*", "/svc/**", "/no/such")
	id := func(scopes ...string) HandleOption {
		return WithAuthority(&auth.Identity{ID: "orchestrator", Scopes: scopes})
	}
	for i, c := range []struct {
		namespace, op string
		options       []HandleOption
		want          string // a code, or a part of the answer
	}{
		{"l", "who", nil, "NOT_FOUND"}, {"l", "who", []HandleOption{id("admin")}, "NOT_FOUND"}, {"l", "who", []HandleOption{WithReach("/l/whom")}, "NOT_FOUND"},
		{"l", "who", []HandleOption{all}, `"id":"handler:/c/op3"`}, {"l", "who", []HandleOption{all, id()}, `"id":"orchestrator"`},
		{"l", "hidden", []HandleOption{all, id()}, `"id":"orchestrator"`},
		{"l", "admin", []HandleOption{all, id()}, "FORBIDDEN"}, {"l", "admin", []HandleOption{all, id("fs:*")}, `"id":"orchestrator"`},
		{"l", "schema", []HandleOption{all}, "INVALID_INPUT"}, {"no", "such", []HandleOption{all}, "NOT_FOUND"}, {"l", "none", []HandleOption{all}, "NOT_FOUND"},
		{"dev1/w", "who", []HandleOption{WithReach("/l/*")}, "NOT_FOUND"}, {"dev1/w", "who", []HandleOption{all, id()}, `"id":"orchestrator"`},
		{"dev1/w", "admin", []HandleOption{all, id("fs:read")}, "FORBIDDEN"}, {"dev1/w", "admin", []HandleOption{all, id("admin")}, `"id":"orchestrator"`},
		{"svc", "who", []HandleOption{all, id("x")}, `"id":"orchestrator"`}, {"svc", "fail", []HandleOption{all}, "OUT_OF_PAPER"},
	} {
		name := fmt.Sprintf("/c/op%d", i)
		invoke(t, r, name, c.namespace, c.op, c.options...)
		got, err := n.client.Call(context.Background(), name, "in", WithMetadata(map[string]string{"traceparent": "t1"}))
		if strings.HasPrefix(c.want, `"`) {
			if err != nil || !strings.Contains(string(got), c.want) || !strings.Contains(string(got), `"metadata":{"traceparent":"t1"}`) || !strings.Contains(string(got), `"input":"in"`) || strings.Contains(string(got), `"parent":""`) {
				t.Errorf("%d %s/%s: %s, %v, want %s", i, c.namespace, c.op, got, err, c.want)
			}
		} else if err == nil || CodeOf(err) != Code(c.want) {
			t.Errorf("%d %s/%s: %s, %v, want %s", i, c.namespace, c.op, got, err, c.want)
		}
	}
	_, err := n.client.Call(context.Background(), "/l/hidden", nil)
	wantCode(t, err, NotFound)
	for _, bad := range []HandleOption{WithReach("l/who"), WithReach("/l/w*"), WithAuthority(nil)} {
		if err := r.Handle(OperationSpec{Name: "/bad/op"}, who, bad); err == nil {
			t.Error("a bad option was taken")
		}
	}
	if r.Attach("a/b", fakeService{}) == nil {
		t.Error("a bad namespace was taken")
	}
	must(t, r.Attach("svc", nil))
	_, err = n.client.Call(context.Background(), "/c/op15", nil)
	wantCode(t, err, NotFound)
}

// fakeService answers at once, with what it was told.
type fakeService struct{}

func (fakeService) Start(kind Kind, operation string, input []byte, opts *Options, identity *auth.Identity, sink Sink) Outgoing {
	if operation == "/svc/fail" {
		sink.Failed(&Error{Code: "OUT_OF_PAPER"})
		return Outgoing{}
	}
	output, _ := json.Marshal(map[string]any{"id": identity.ID, "parent": opts.ParentRequestID, "metadata": opts.Metadata, "input": json.RawMessage(input)})
	sink.Responded(appendOutput(nil, output))
	return Outgoing{}
}

func TestUpstream(t *testing.T) {
	who := func(_ context.Context, req *Request) (any, error) { return req.Identity().ID, nil }
	head, worker := NewRegistry(), NewRegistry()
	must(t, head.Handle(OperationSpec{Name: "/h/who"}, who))
	atHead, atWorker := link(t, Config{Registry: head, Identity: users["bob"]}, Config{Registry: worker, Identity: users["alice"]})
	invoke(t, worker, "/c/who", "h", "who", WithReach("/h/who"))
	_, err := atHead.Call(context.Background(), "/c/who", nil)
	wantCode(t, err, NotFound)
	worker.SetUpstream(func() (*Session, error) { return atWorker, nil })
	if got, err := atHead.Call(context.Background(), "/c/who", nil); err != nil || string(got) != `"bob"` {
		t.Errorf("%s, %v", got, err)
	}
	worker.SetUpstream(func() (*Session, error) { return nil, io.ErrUnexpectedEOF })
	_, err = atHead.Call(context.Background(), "/c/who", nil)
	wantCode(t, err, Unavailable)
	worker.SetUpstream(nil)
	_, err = atHead.Call(context.Background(), "/c/who", nil)
	wantCode(t, err, NotFound)
}

// TestAbortCascade stops a tree of requests at its root: a local one, a remote one,
// and what these have invoked, in every way in which a request can end.
func TestAbortCascade(t *testing.T) {
	for _, way := range []string{"abort", "deadline", "session", "return"} {
		t.Run(way, func(t *testing.T) {
			var running sync.WaitGroup
			ended := make(chan string, 8)
			finished := make(chan struct{})
			hang := func(name string) Handler {
				return func(ctx context.Context, _ *Request) (any, error) {
					running.Done()
					<-ctx.Done()
					ended <- name
					return nil, ctx.Err()
				}
			}
			release := make(chan struct{})
			remote := NewRegistry()
			must(t, remote.Handle(OperationSpec{Name: "/w/leaf"}, hang("remote leaf")))
			must(t, remote.Handle(OperationSpec{Name: "/w/mid"}, func(_ context.Context, req *Request) (any, error) {
				defer func() { ended <- "remote mid" }()
				return req.Invoke(context.Background(), "w", "leaf", nil)
			}, WithReach("/w/leaf")))
			n := newNetwork(t, remote, Limits{})
			r := n.head
			must(t, r.Handle(OperationSpec{Name: "/l/leaf", Visibility: VisibilityInternal}, hang("local leaf")))
			must(t, r.HandleStream(OperationSpec{Name: "/l/sub"}, func(ctx context.Context, _ *Request, send func(any) error) error {
				defer func() { ended <- "local subscription" }()
				running.Done()
				for {
					if err := send(1); err != nil {
						return err
					}
				}
			}))
			must(t, r.Handle(OperationSpec{Name: "/l/go-on"}, func(ctx context.Context, req *Request) (any, error) {
				running.Done()
				select {
				case <-release:
					close(finished)
				case <-ctx.Done():
					t.Errorf("continueRunning did not: %v", context.Cause(ctx))
				}
				return nil, nil
			}))
			root := make(chan struct{})
			must(t, r.Handle(OperationSpec{Name: "/c/root"}, func(ctx context.Context, req *Request) (any, error) {
				bg := context.Background() // the tree is what stops them, not a context that was passed on
				for _, op := range []string{"l/leaf", "dev1/w/mid"} {
					ns, name, _ := strings.Cut(op, "/")
					if ns == "dev1" {
						ns, name = "dev1/w", "mid"
					}
					go func() { _, _ = req.Invoke(bg, ns, name, nil) }()
				}
				go func() { _, _ = req.Invoke(bg, "l", "go-on", nil, ContinueRunning()) }()
				sub, err := req.InvokeStream(bg, "l", "sub", nil, WithWindow(2))
				must(t, err)
				_, err = sub.Next(ctx)
				must(t, err)
				running.Wait()
				close(root)
				if way == "return" {
					return "done", nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}, WithReach("/l/*", "/dev1/w/mid")))
			running.Add(4)
			ctx, cancel := context.WithCancel(context.Background())
			if way == "deadline" {
				ctx, cancel = context.WithTimeout(context.Background(), 300*time.Millisecond)
			}
			defer cancel()
			done := make(chan error, 1)
			go func() { _, err := n.client.Call(ctx, "/c/root", nil); done <- err }()
			<-root
			switch way {
			case "abort":
				cancel()
			case "session":
				n.client.Close("gone")
			}
			err := <-done
			if want := map[string]Code{"abort": Aborted, "deadline": Timeout, "session": Unavailable}[way]; way == "return" {
				must(t, err)
			} else {
				wantCode(t, err, want)
			}
			for range 4 { // a handler that still ran would hang the test
				<-ended
			}
			close(release)
			<-finished
		})
	}
}

func TestDeadlinesOnlyShrink(t *testing.T) {
	saw := make(chan time.Time, 1)
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/l/leaf"}, func(_ context.Context, req *Request) (any, error) {
		at, _ := req.Deadline()
		saw <- at
		return nil, nil
	}))
	var option Option
	must(t, r.Handle(OperationSpec{Name: "/c/root"}, func(ctx context.Context, req *Request) (any, error) {
		return req.Invoke(context.Background(), "l", "leaf", nil, option)
	}, WithReach("/l/leaf")))
	_, client := pair(t, r, NewRegistry(), Limits{})
	at := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	sooner := at.Add(-time.Second)
	for _, c := range []struct {
		option Option
		want   time.Time
	}{
		{func(*Options) {}, at}, {func(o *Options) { o.Deadline = at.Add(time.Hour) }, at}, {func(o *Options) { o.Deadline = sooner }, sooner},
		{ContinueRunning(), time.Time{}},
	} {
		option = c.option
		_, err := client.Call(context.Background(), "/c/root", nil, func(o *Options) { o.Deadline = at })
		must(t, err)
		if got := <-saw; got.Sub(c.want).Abs() > time.Second {
			t.Errorf("deadline %v, want %v", got, c.want)
		}
	}
}

func TestLocalStreams(t *testing.T) {
	const events, window = 5000, 16
	var ahead, most atomic.Int64
	stopped := make(chan error, 1)
	r := echo(t, NewRegistry())
	must(t, r.HandleStream(OperationSpec{Name: "/l/count"}, func(_ context.Context, _ *Request, send func(any) error) error {
		for i := range events {
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
	must(t, r.HandleStream(OperationSpec{Name: "/l/empty"}, func(context.Context, *Request, func(any) error) error { return nil }))
	must(t, r.Handle(OperationSpec{Name: "/c/root"}, func(ctx context.Context, req *Request) (any, error) {
		sub, err := req.InvokeStream(ctx, "l", "count", nil, WithWindow(window))
		if err != nil {
			return nil, err
		}
		for i := range events {
			if got, err := sub.Next(ctx); err != nil || string(got) != fmt.Sprint(i) {
				return nil, fmt.Errorf("event %d: %s, %w", i, got, err)
			}
			ahead.Add(-1)
		}
		if _, err := sub.Next(ctx); err != io.EOF {
			return nil, fmt.Errorf("end: %w", err)
		}
		// One that is called gives one answer and is stopped.
		if got, err := req.Invoke(ctx, "l", "count", nil); err != nil || string(got) != "0" {
			return nil, fmt.Errorf("call of a subscription: %s, %w", got, err)
		}
		wantCode(t, <-stopped, Aborted)
		if _, err := req.Invoke(ctx, "l", "empty", nil); CodeOf(err) != Internal {
			return nil, fmt.Errorf("call of an empty subscription: %w", err)
		}
		sub, err = req.InvokeStream(ctx, "echo", "echo", 7)
		if err != nil {
			return nil, err
		}
		if got, err := sub.Next(ctx); err != nil || string(got) != "7" {
			return nil, fmt.Errorf("subscription of a call: %s, %w", got, err)
		}
		if _, err := sub.Next(ctx); err != io.EOF {
			return nil, fmt.Errorf("its end: %w", err)
		}
		_, err = req.InvokeStream(ctx, "l", "count", nil, ContinueRunning())
		if err != nil {
			return nil, err
		}
		return "done", nil
	}, WithReach("/l/*", "/echo/*")))
	_, client := pair(t, r, NewRegistry(), Limits{})
	if got, err := client.Call(context.Background(), "/c/root", nil); err != nil || string(got) != `"done"` {
		t.Errorf("%s, %v", got, err)
	}
	if most.Load() > window+window/2+1 {
		t.Errorf("the producer was %d events ahead of a window of %d", most.Load(), window)
	}
}

// TestCompositionIsBounded has a handler that invokes itself for ever.
func TestCompositionIsBounded(t *testing.T) {
	var runs atomic.Int64
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/c/self"}, func(ctx context.Context, req *Request) (any, error) {
		runs.Add(1)
		return req.Invoke(ctx, "c", "self", nil)
	}, WithReach("/c/self")))
	_, client := pair(t, r, NewRegistry(), Limits{})
	_, err := client.Call(context.Background(), "/c/self", nil)
	wantCode(t, err, ResourceExhausted)
	if runs.Load() != maxDepth+1 {
		t.Errorf("%d runs", runs.Load())
	}
}
