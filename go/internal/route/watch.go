package route

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
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
	identity func() *auth.Identity // of now: it may change while the watcher is there
	after    uint64                // changes up to this one are in its snapshot

	mu      sync.Mutex
	known   map[string]bool // names that the identity has been shown
	ready   bool            // known is filled in
	early   []change        // that came before
	pending []Event
	behind  bool          // more waited than may
	wake    chan struct{} // holds a token when there is something to send
}

// change is one change of the table, before it is judged who may see it.
type change struct {
	number uint64
	event  string
	entry  *entry
}

// feed gives changes of the table to the watchers that may see them. Judging that takes
// time, which the table's lock is not held for: one goroutine does it, while there is
// something to judge.
type feed struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	changes  []change
	number   uint64
	running  bool
}

func (t *Table) watch(ctx context.Context, req *call.Request, send func(any) error) error {
	var input struct{ Snapshot bool }
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return call.Errorf(call.InvalidInput, "the input is not an object with snapshot")
	}
	w := &watcher{identity: req.Identity, known: map[string]bool{}, wake: make(chan struct{}, 1)}
	t.mu.Lock() // no change comes between the table and the number of the last one
	table := *t.nodes.Load()
	t.feed.mu.Lock()
	w.after = t.feed.number
	t.feed.watchers[w] = struct{}{}
	t.feed.mu.Unlock()
	t.mu.Unlock()
	defer func() {
		t.feed.mu.Lock()
		delete(t.feed.watchers, w)
		t.feed.mu.Unlock()
	}()
	t.open(w, table, input.Snapshot)
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

// open fills in what the watcher may see of the table, and judges what came meanwhile.
func (t *Table) open(w *watcher, table map[string]*entry, snapshot bool) {
	id := w.identity()
	var joined []Event
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if n, ok := t.seen(table[name], id); ok {
			w.known[name] = true // nobody else looks at it before ready
			if snapshot {
				joined = append(joined, Event{"joined", n})
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = joined
	for _, c := range w.early {
		n, visible := t.seen(c.entry, id)
		w.take(c, n, visible)
	}
	w.early, w.ready = nil, true
}

// publish enters a change for the watchers. Called with t.mu held.
func (t *Table) publish(event string, e *entry) {
	if t.onChange != nil {
		t.onChange(Event{event, Node{Name: e.name, Identity: e.owner, Agent: e.session.Peer().Agent, Operations: len(e.offered), Joined: e.joined}})
	}
	f := &t.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	if len(f.watchers) == 0 {
		return
	}
	f.changes = append(f.changes, change{f.number, event, e})
	if !f.running {
		f.running = true
		go t.judge()
	}
}

// judge gives the changes that wait to the watchers, in order.
func (t *Table) judge() {
	f := &t.feed
	for {
		f.mu.Lock()
		changes := f.changes
		f.changes = nil
		if len(changes) == 0 {
			f.running = false
			f.mu.Unlock()
			return
		}
		watchers := slices.Collect(maps.Keys(f.watchers))
		f.mu.Unlock()
		for _, c := range changes {
			t.show(c, watchers)
		}
	}
}

// show judges a change once for each set of scopes that watchers have.
func (t *Table) show(c change, watchers []*watcher) {
	type view struct {
		node    Node
		visible bool
	}
	views := map[string]view{}
	for _, w := range watchers {
		if c.number <= w.after {
			continue
		}
		id := w.identity()
		key := "" // of anonymous callers
		if id != nil {
			key = "=" + strings.Join(id.Scopes, "\x00")
		}
		v, judged := views[key]
		if !judged {
			v.node, v.visible = t.seen(c.entry, id)
			views[key] = v
		}
		w.mu.Lock()
		if w.ready {
			w.take(c, v.node, v.visible)
		} else if len(w.early) < maxPending {
			w.early = append(w.early, c)
		} else {
			w.behind = true
		}
		w.mu.Unlock()
	}
}

// take enters the event that a change is for the watcher. Called with w.mu held.
func (w *watcher) take(c change, n Node, visible bool) {
	event, known := Event{c.event, n}, w.known[c.entry.name]
	switch {
	case c.event == "left" && !known, c.event != "left" && !visible && !known:
		return
	case c.event != "left" && !visible:
		event.Event = "left" // it offers nothing to this one any more
	case c.event == "changed" && !known:
		event.Event = "joined"
	}
	if event.Event == "left" {
		delete(w.known, c.entry.name)
	} else {
		w.known[c.entry.name] = true
	}
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
