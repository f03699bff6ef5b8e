// Package engine is the message pipe of docs/ABI.md: it turns commands into calls of
// the packages below and their results into completions. It holds no behaviour of the
// protocol. What carries the messages is its users' matter.
//
// Nothing here prints, installs a signal handler or changes a limit of the process,
// and every goroutine recovers from a panic: a defect of the engine must not end
// somebody's program.
package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/wire"
	"github.com/alkdev/alknet/go/secret"
)

// Environment is one user of the engine, such as a JavaScript environment: its nodes,
// requests, secrets and the queue of what it is told. Its methods may be called from
// any goroutine.
type Environment struct {
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
	cause    error     // why it was ended from here; guarded by Environment.mu
}

// New opens an environment. wake is called each time that completions begin to wait,
// and again only after a Poll has emptied the queue; never after Close has returned.
// It must not block and must not call back. The caller calls Close.
func New(wake func()) *Environment {
	e := &Environment{
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

// Submit carries out a batch of commands, one a line, and reports whether all were
// well-formed: the others of the batch were carried out all the same. It keeps batch.
func (e *Environment) Submit(batch []byte) bool {
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

func (e *Environment) command(line []byte, touched map[*call.Session]struct{}) bool {
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
func (e *Environment) run(f func()) {
	go func() {
		defer func() {
			if p := recover(); p != nil {
				e.logger.Error("the engine recovered from a defect of its own", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		f()
	}()
}

func (e *Environment) endpoint(n int64) *endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.nodes[n]
}

func (e *Environment) outgoing(req int64) (call.Outgoing, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o, ok := e.requests[req]
	return o, ok
}

// post queues a completion and wakes JavaScript.
func (e *Environment) post(kind int, handle int64, payload []byte) {
	e.queue.addRaw(kind, handle, payload)
	e.queue.wake()
}

func (e *Environment) postError(kind int, handle int64, err error) {
	e.queue.add(kind, handle, AsError(err).AppendJSON)
	e.queue.wake()
}

// farewellTime is how long close waits for the other nodes to be told. The process may
// end right after it, and over QUIC they would take it for alive for 30 s more.
const farewellTime = 200 * time.Millisecond

// Poll moves as many completions as fit into dst, as one JSON array.
func (e *Environment) Poll(dst []byte) Batch { return e.queue.take(dst) }

// Attach takes bytes, which it will wipe, and gives them the number by which one later
// command takes them. ok is false when too many or too much wait for their commands.
func (e *Environment) Attach(data []byte) (number int64, ok bool) { return e.attachments.add(data) }

// Copy copies a secret for those who carry the messages: secret.Copy.
func Copy(dst, src []byte) int { return secret.Copy(dst, src) }

// TakeResult moves the result of a command `secret` to dst, and wipes the engine's
// copy. ok is false when there is none of that number, with n 0, or when it has n bytes
// and does not fit.
func (e *Environment) TakeResult(number int64, dst []byte) (n int, ok bool) {
	return e.keyring.take(number, dst)
}

// Close ends everything of the environment: its queue takes nothing any more, and
// wakes nobody. What takes longer than farewellTime goes on behind it.
func (e *Environment) Close() {
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
