package route

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

func (t *Table) addList() error {
	return t.registry.Handle(call.OperationSpec{
		Name: "/head/nodes/list", Type: call.TypeQuery, Description: "The nodes that are registered on this head",
	}, func(_ context.Context, req *call.Request) (any, error) {
		return map[string]any{"nodes": t.Nodes(req.Identity())}, nil
	})
}

func (t *Table) addWatch() error {
	return t.registry.HandleStream(call.OperationSpec{
		Name: "/head/nodes/watch", Description: "Nodes that join, change and leave; with snapshot, those that are there first",
		InputSchema: json.RawMessage(`{"type":["object","null"],"additionalProperties":false,"properties":{"snapshot":{"type":"boolean","default":false}}}`),
	}, t.watch)
}

// Event is one event of /head/nodes/watch.
type Event struct {
	// Event is "joined", "changed" (other operations, or another session of the same
	// identity) or "left".
	Event string `json:"event"`
	Node  Node   `json:"node"`
}

// maxPending is how many events may wait for a watcher that does not read.
const maxPending = 1024

// watcher is one subscriber of /head/nodes/watch.
type watcher struct {
	identity *auth.Identity
	known    map[string]bool // names that the identity has been told of; guarded by Table.mu

	mu      sync.Mutex
	pending []Event
	behind  bool          // more waited than may
	wake    chan struct{} // holds a token when there is something to send
}

func (t *Table) watch(ctx context.Context, req *call.Request, send func(any) error) error {
	var input struct{ Snapshot bool }
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return call.Errorf(call.InvalidInput, "the input is not an object with snapshot")
	}
	w := &watcher{identity: req.Identity(), known: map[string]bool{}, wake: make(chan struct{}, 1)}
	t.mu.Lock()
	table := *t.nodes.Load()
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if n, ok := t.seen(table[name], w.identity); ok {
			w.known[name] = true
			if input.Snapshot {
				w.pending = append(w.pending, Event{"joined", n})
			}
		}
	}
	t.watchers[w] = struct{}{}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.watchers, w)
		t.mu.Unlock()
	}()
	for {
		w.mu.Lock()
		events, behind := w.pending, w.behind
		w.pending = nil
		w.mu.Unlock()
		for _, event := range events {
			if err := send(event); err != nil {
				return err
			}
		}
		if behind {
			return call.Errorf(call.ResourceExhausted, "%d changes wait to be read: watch again, with a snapshot", maxPending)
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// publish tells the watchers that may know of it. Called with t.mu held.
func (t *Table) publish(change string, e *entry) {
	if t.onChange != nil {
		t.onChange(Event{change, Node{Name: e.name, Identity: e.owner, Agent: e.session.Peer().Agent, Operations: len(e.offered), Joined: e.joined}})
	}
	for w := range t.watchers {
		n, visible := t.seen(e, w.identity)
		event := Event{change, n}
		switch known := w.known[e.name]; {
		case change == "left" && !known, change != "left" && !visible && !known:
			continue
		case change != "left" && !visible:
			event.Event = "left" // it offers nothing to this one any more
		case change == "changed" && !known:
			event.Event = "joined"
		}
		w.known[e.name] = event.Event != "left"
		if event.Event == "left" {
			delete(w.known, e.name)
		}
		w.add(event)
	}
}

func (w *watcher) add(event Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) >= maxPending {
		w.behind = true
	}
	if !w.behind {
		w.pending = append(w.pending, event)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
