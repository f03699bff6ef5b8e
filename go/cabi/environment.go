package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/node"
	"github.com/alkdev/alknet/go/wire"
)

// environment is one JavaScript environment: its nodes, requests and queue.
type environment struct {
	queue       queue
	attachments attachments
	keyring     *keyring
	logger      *slog.Logger
	ctx         context.Context // ends with the environment
	cancel      context.CancelFunc
	sessions    table[call.Session]
	incoming    table[incoming]

	mu       sync.Mutex
	closed   bool
	nodes    map[int64]*endpoint
	requests map[int64]call.Outgoing
	jobs     map[int64]context.CancelFunc
	handles  map[*call.Session]int64
}

// endpoint is a connection or a server.
type endpoint struct {
	registry *call.Registry
	cancel   context.CancelFunc // stops a connect or serve that is under way
	client   *node.Client       // one of the two, once opened
	head     *node.Server
	served   *serving  // of a server: its options
	identity *identity // what it signs with, if that is of a store
	cause    error     // why it was ended from here; guarded by environment.mu
}

func newEnvironment(wake func()) *environment {
	e := &environment{
		sessions: table[call.Session]{items: map[int64]*call.Session{}},
		incoming: table[incoming]{items: map[int64]*incoming{}},
		nodes:    map[int64]*endpoint{},
		keyring:  newKeyring(),
		requests: map[int64]call.Outgoing{},
		jobs:     map[int64]context.CancelFunc{},
		handles:  map[*call.Session]int64{},
	}
	e.queue.wakeUp = wake
	e.logger = slog.New(queueHandler{&e.queue, e.queue.wake, nil})
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// submit carries out a batch of commands, and reports whether all were well-formed.
func (e *environment) submit(batch []byte) bool {
	ok := true
	touched := map[*call.Session]struct{}{}
	for line := range bytes.SplitSeq(batch, []byte{'\n'}) {
		if len(line) > 0 && !e.command(line, touched) {
			ok = false
		}
	}
	for s := range touched {
		s.Flush()
	}
	e.queue.wake()
	return ok
}

// fields are the tab-separated parts of a command.
type fields struct {
	rest []byte
	done bool
	bad  bool
}

func (f *fields) next() []byte {
	if f.done {
		f.bad = true
		return nil
	}
	field, rest, more := bytes.Cut(f.rest, []byte{'\t'})
	f.rest, f.done = rest, !more
	return field
}

func (f *fields) number() int64 {
	n, err := strconv.ParseInt(string(f.next()), 10, 64)
	if err != nil || n <= 0 {
		f.bad = true
	}
	return n
}

// optional is a number that may be 0 for none.
func (f *fields) optional() int64 {
	n, err := strconv.ParseInt(string(f.next()), 10, 64)
	if err != nil || n < 0 {
		f.bad = true
	}
	return n
}

func (e *environment) command(line []byte, touched map[*call.Session]struct{}) bool {
	f := &fields{rest: line}
	switch string(f.next()) {
	case "C":
		e.request(call.Single, f, touched)
	case "S":
		e.request(call.Stream, f, touched)
	case "K":
		if req, n := f.number(), f.number(); !f.bad {
			if o, ok := e.outgoing(req); ok {
				o.Credit(int(n))
			}
		}
	case "A":
		if req, reason := f.number(), f.next(); !f.bad && !e.abortJob(req) {
			if o, ok := e.outgoing(req); ok {
				text, _ := wire.Text(reason)
				o.Abort(text)
			}
		}
	case "R", "E", "D", "F":
		e.answer(line[0], f)
	case "handle":
		e.handle(f)
	case "unhandle":
		if n, name := f.number(), f.next(); !f.bad {
			if ep := e.endpoint(n); ep != nil {
				ep.registry.Remove(string(name))
			}
		}
	case "connect":
		if n, options := f.number(), f.next(); !f.bad {
			e.open(n, options, e.connect)
		}
	case "serve":
		if n, options := f.number(), f.next(); !f.bad {
			e.open(n, options, e.serve)
		}
	case "reload":
		if n, req, options := f.number(), f.number(), f.next(); !f.bad {
			e.reload(n, req, options)
		}
	case "close":
		if n, options := f.number(), f.next(); !f.bad {
			e.closeNode(n, options)
		}
	case "join":
		e.join(f)
	case "leave":
		e.leave(f)
	case "secret":
		e.secretJob(f)
	case "closeSession":
		if n, reason := f.number(), f.next(); !f.bad {
			if s := e.sessions.get(n); s != nil {
				text, _ := wire.Text(reason)
				e.run(func() { s.Close(text) })
			}
		}
	default:
		return false
	}
	return !f.bad
}

// run starts a goroutine that cannot end the process by a panic.
func (e *environment) run(f func()) {
	go func() {
		defer func() {
			if p := recover(); p != nil {
				e.logger.Error("the engine recovered from a defect of its own", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		f()
	}()
}

func (e *environment) endpoint(n int64) *endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.nodes[n]
}

func (e *environment) outgoing(req int64) (call.Outgoing, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o, ok := e.requests[req]
	return o, ok
}

// post queues a completion and wakes JavaScript.
func (e *environment) post(kind int, handle int64, payload []byte) {
	e.queue.addRaw(kind, handle, payload)
	e.queue.wake()
}

func (e *environment) postError(kind int, handle int64, err error) {
	e.queue.add(kind, handle, asError(err).AppendJSON)
	e.queue.wake()
}

// farewellTime is how long close waits for the other nodes to be told. The process may
// end right after it, and over QUIC they would take it for alive for 30 s more.
const farewellTime = 200 * time.Millisecond

// close ends everything of the environment: its queue takes nothing any more, and
// wakes nobody. What takes longer than farewellTime goes on behind it.
func (e *environment) close() {
	e.queue.close()
	e.cancel()
	e.attachments.wipe()
	e.keyring.close()
	e.mu.Lock()
	e.closed = true
	nodes := e.nodes
	e.nodes = map[int64]*endpoint{}
	e.mu.Unlock()
	var ending sync.WaitGroup
	for _, ep := range nodes {
		ending.Add(1)
		e.run(func() {
			defer ending.Done()
			ep.stop(0)
		})
	}
	ended := make(chan struct{})
	e.run(func() {
		ending.Wait()
		close(ended)
	})
	late := time.NewTimer(farewellTime)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
	}
}
