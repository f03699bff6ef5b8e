package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// watcher notes what an Observer is told.
type watcher struct {
	mu     sync.Mutex
	open   map[*Request]bool
	events []string
	ended  chan struct{} // a token for each end and refusal
}

func (w *watcher) note(text string) {
	w.mu.Lock()
	w.events = append(w.events, text)
	w.mu.Unlock()
	w.ended <- struct{}{}
}

func (w *watcher) Began(r *Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[r] = true
	r.SetObservation(r.Operation())
	r.SetMetadataValue("traceparent", r.MetadataValue("traceparent")+"+"+r.Operation())
}

func (w *watcher) Ended(r *Request, err *Error) {
	code := Code("OK")
	if err != nil {
		code = err.Code
	}
	where := "here"
	if r.Remote() {
		where = "passed on"
	}
	if r.Elapsed() <= 0 || r.Observation() != r.Operation() {
		where = "badly observed"
	}
	w.mu.Lock()
	if !w.open[r] {
		where = "twice"
	}
	delete(w.open, r)
	w.mu.Unlock()
	w.note(fmt.Sprint(r.Operation(), " ", where, " ", code))
}

func (w *watcher) Refused(_ *Session, err *Error) { w.note("refused " + string(err.Code)) }

// take waits for n ends and returns them, sorted.
func (w *watcher) take(n int) []string {
	for range n {
		<-w.ended
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	events := slices.Sorted(slices.Values(w.events))
	w.events = nil
	return events
}

func TestObserver(t *testing.T) {
	offered := NewRegistry()
	must(t, offered.Handle(OperationSpec{Name: "/w/trace"}, func(_ context.Context, req *Request) (any, error) { return req.Metadata()["traceparent"], nil }))
	must(t, offered.Handle(OperationSpec{Name: "/w/fail"}, func(context.Context, *Request) (any, error) { return nil, Errorf(Conflict, "no") }))
	n := newNetwork(t, offered, Limits{})
	r := n.head
	started := make(chan struct{}, 1)
	must(t, r.Handle(OperationSpec{Name: "/h/wait"}, func(ctx context.Context, _ *Request) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	must(t, r.Handle(OperationSpec{Name: "/h/fail"}, func(context.Context, *Request) (any, error) { return nil, errors.New("a secret") }))
	must(t, r.Handle(OperationSpec{Name: "/h/closed", AccessControl: AccessControl{RequiredScopes: []string{"nobody"}}}, nil))
	must(t, r.Handle(OperationSpec{Name: "/h/typed", InputSchema: []byte(`{"type":"integer"}`)}, nil))
	must(t, r.HandleStream(OperationSpec{Name: "/h/count"}, func(_ context.Context, _ *Request, send func(any) error) error { return send(1) }))
	invoke(t, r, "/h/nested", "l", "trace", WithReach("/l/*"))
	must(t, r.Handle(OperationSpec{Name: "/l/trace"}, func(_ context.Context, req *Request) (any, error) { return req.Metadata()["traceparent"], nil }))
	w := &watcher{open: map[*Request]bool{}, ended: make(chan struct{}, 16)}
	r.SetObserver(w)
	ctx := context.Background()
	for _, c := range []struct {
		op, output string
		options    []Option
		want       []string
	}{
		{"/echo/echo", "1", nil, []string{"/echo/echo here OK"}},
		{"/h/fail", "", nil, []string{"/h/fail here INTERNAL"}},
		{"/h/closed", "", nil, []string{"/h/closed here FORBIDDEN"}},
		{"/h/typed", "", nil, []string{"/h/typed here INVALID_INPUT"}},
		{"/h/count", "1", nil, []string{"/h/count here OK"}},
		{"/no/such", "", nil, []string{"refused NOT_FOUND"}},
		{"/echo/echo", "", []Option{WithAuthToken("bad")}, []string{"/echo/echo here UNAUTHENTICATED"}},
		{"/dev1/w/fail", "", nil, []string{"/dev1/w/fail passed on CONFLICT"}},
		// Each node along the way, and each handler, sees the one before it.
		{"/dev1/w/trace", `"client+/dev1/w/trace"`, nil, []string{"/dev1/w/trace passed on OK"}},
		{"/h/nested", `"client+/h/nested+/l/trace"`, nil, []string{"/h/nested here OK", "/l/trace here OK"}},
	} {
		input := any(1)
		if c.op == "/h/typed" {
			input = "x"
		}
		got, err := n.client.Call(ctx, c.op, input, append(c.options, WithMetadata(map[string]string{"traceparent": "client"}))...)
		if (err == nil) != (c.output != "") || string(got) != c.output {
			t.Errorf("%s: %s, %v", c.op, got, err)
		}
		if events := w.take(len(c.want)); !slices.Equal(events, c.want) {
			t.Errorf("%s: %q, want %q", c.op, events, c.want)
		}
	}
	aborted, cancel := context.WithCancel(ctx)
	go func() { <-started; cancel() }()
	if _, err := n.client.Call(aborted, "/h/wait", nil); err == nil {
		t.Error("an aborted call was answered")
	}
	if events := w.take(1); !slices.Equal(events, []string{"/h/wait here ABORTED"}) {
		t.Errorf("%q", events)
	}
	go func() { <-started; n.client.Close("gone") }()
	if _, err := n.client.Call(ctx, "/h/wait", nil); err == nil {
		t.Error("a call of a lost session was answered")
	}
	if events := w.take(1); !slices.Equal(events, []string{"/h/wait here UNAVAILABLE"}) || len(w.open) != 0 {
		t.Errorf("%q, %d open", events, len(w.open))
	}
}
