package engine

import (
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
	"github.com/alkdev/alknet/go/internal/wire"
)

// incoming is a request of another node that a handler in JavaScript answers.
type incoming struct{ *call.Request }

// handlerOptions say what a handler may do itself.
type handlerOptions struct {
	Identity *auth.Identity `json:"identity"`
	Reach    []string       `json:"reach"`
}

func parseHandlerOptions(text []byte) ([]call.HandleOption, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var o handlerOptions
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, call.Errorf(call.InvalidInput, "the options of the handler: %w", err)
	}
	options := []call.HandleOption{call.WithReach(o.Reach...)}
	if o.Identity != nil {
		options = append(options, call.WithAuthority(o.Identity))
	}
	return options, nil
}

// handle registers an operation whose handler is in JavaScript.
func (e *Environment) handle(f *fields) {
	n, req, text := f.number(), f.number(), f.next()
	var options []byte
	if !f.done {
		options = f.next()
	}
	if f.bad {
		return
	}
	fail := func(err error) { e.queue.add(kindError, req, AsError(err).AppendJSON) }
	ep := e.endpoint(n)
	if ep == nil {
		fail(call.Errorf(call.Unavailable, "the node is closed"))
		return
	}
	var spec call.OperationSpec
	if err := strictjson.Unmarshal(text, &spec); err != nil {
		fail(call.Errorf(call.InvalidInput, "the operation's spec: %w", err))
		return
	}
	handling, err := parseHandlerOptions(options)
	if err != nil {
		fail(err)
		return
	}
	err = ep.registry.HandleAsync(spec, func(r *call.Request) { e.deliver(n, r) }, handling...)
	switch {
	case errors.Is(err, call.ErrDuplicate):
		fail(call.Errorf(call.Conflict, "%w", err))
	case err != nil:
		fail(call.Errorf(call.InvalidInput, "%w", err))
	case ep.client != nil && ep.client.Joined() != "":
		e.announce(ep, req, spec.Name)
	default:
		e.queue.addRaw(kindCompleted, req, emptyObject)
	}
}

// deliver hands a request to JavaScript.
func (e *Environment) deliver(n int64, r *call.Request) {
	if e.queue.full() {
		r.Fail(call.Errorf(call.ResourceExhausted, "the handlers of this node are behind: try again later"))
		return
	}
	id := e.incoming.add(&incoming{r})
	var announced sync.Mutex // credit is not told of before the request
	announced.Lock()
	room, windowed := r.OnCredit(func(credit int) {
		announced.Lock()
		defer announced.Unlock()
		e.queue.addCredit(id, credit)
		e.queue.wake()
	})
	told, err := json.Marshal(contextOf(r, room, windowed))
	if err != nil {
		announced.Unlock()
		e.incoming.remove(id)
		r.Fail(err)
		return
	}
	kind := "call"
	if r.Type() == call.TypeSubscription {
		kind = "subscription"
	}
	session := e.sessionHandle(n, r.Session())
	e.queue.add(kindRequest, id, func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, '['), n, 10)
		dst = strconv.AppendInt(append(dst, ','), session, 10)
		dst = wire.AppendText(append(dst, ','), r.Operation())
		dst = wire.AppendText(append(dst, ','), kind)
		dst = append(append(dst, ','), told...)
		dst = append(append(dst, ','), r.Input()...)
		return append(dst, ']')
	})
	announced.Unlock()
	r.OnCancel(func(err *call.Error) { e.cancelled(id, err) }) // at once if it has ended already
	// A handler without a schema is served by the goroutine that reads the session,
	// which wakes JavaScript after the batch; one with a schema is not.
	e.queue.wake()
}

func contextOf(r *call.Request, room int, windowed bool) map[string]any {
	context := map[string]any{"requestId": r.ID(), "identity": r.Identity()}
	if t, ok := r.Deadline(); ok {
		context["deadline"] = t.UnixMilli()
	}
	if windowed {
		context["window"] = room
	}
	if m := r.Metadata(); m != nil {
		context["metadata"] = m
	}
	if _, ok := r.ForwardedFor(); ok {
		context["forwarded"] = true
	}
	if p := r.ParentRequestID(); p != "" {
		context["parentRequestId"] = p
	}
	return context
}

// cancelled tells JavaScript that nobody waits for its answer any more.
func (e *Environment) cancelled(id int64, err *call.Error) {
	r := e.incoming.remove(id)
	if r == nil {
		return // it was told already
	}
	// The caller's word may be here before this side's timer.
	if deadline, limited := r.Deadline(); limited && err.Code == call.Aborted && !time.Now().Before(deadline) {
		err = call.Errorf(call.Timeout, "%s", err.Message)
	}
	e.queue.add(kindCancelled, id, err.AppendJSON)
	e.queue.wake()
}

// answer carries out R, E, D and F.
func (e *Environment) answer(command byte, f *fields) {
	id := f.number()
	if f.bad {
		return
	}
	var payload []byte
	if command != 'D' {
		payload = f.next()
	}
	if f.bad {
		return
	}
	r := e.incoming.get(id)
	if r == nil {
		return // it was cancelled, and JavaScript has been told
	}
	if command == 'E' {
		e.event(id, r, payload)
		return
	}
	if e.incoming.remove(id) == nil {
		return
	}
	switch command {
	case 'R':
		_ = r.Respond(payload)
	case 'D':
		_ = r.Complete()
	case 'F':
		r.Fail(call.ParseError(payload))
	}
	e.queue.addRaw(kindSettled, id, []byte("null"))
}

// event sends an event. One that cannot be sent ends the request, which is told here:
// the request itself tells only of ends that its handler has not caused.
func (e *Environment) event(id int64, r *incoming, payload []byte) {
	err := r.TrySend(payload)
	if errors.Is(err, call.ErrNoCredit) {
		err = call.Errorf(call.ResourceExhausted, "the handler sent more events than its caller had room for")
		r.Fail(err)
	}
	if err != nil {
		// Where the request had ended before, its own telling may be under way: the
		// first of the two tells.
		e.cancelled(id, AsError(err))
	}
}
