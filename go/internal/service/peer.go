package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// peer is a node that is connected to a service.
type peer struct {
	server   *Server
	link     *link
	identity atomic.Pointer[auth.Identity]
	work     sync.WaitGroup // of the SecretService and the ConfigService

	judging sync.Mutex
	expiry  *time.Timer // of the key; nil while it has no end
	over    bool        // the node has left

	mu       sync.Mutex
	closing  bool
	requests map[uint64]*incoming
	held     int           // bytes of their inputs and metadata
	empty    chan struct{} // closed when requests becomes empty; nil unless somebody waits
}

// incoming is a request of a node.
type incoming struct {
	peer   *peer
	id     uint64
	scope  string // that it needs
	stream bool
	held   int // bytes that count against maxHeld

	mu      sync.Mutex
	out     call.Outgoing // of an operation
	known   bool          // out is set
	credit  int           // to give, once out is known
	stopped string        // why to stop it, once out is known
	cancel  context.CancelFunc
	over    bool
}

// take handles one message. What it keeps of the body it copies.
func (p *peer) take(m message) error {
	switch m.Type {
	case typeRequest:
		return p.requested(m)
	case typeAbort:
		var body abortBody
		if err := decoding.Unmarshal(m.Body, &body); err != nil {
			return errProtocol
		}
		if r := p.request(m.ID); r != nil {
			r.stop("the caller stopped the request")
		}
	case typeCredit:
		var n uint32
		if err := decoding.Unmarshal(m.Body, &n); err != nil {
			return errProtocol
		}
		if r := p.request(m.ID); r != nil {
			r.addCredit(int(min(n, call.MaxWindow)))
		}
	default:
		return errProtocol
	}
	return nil
}

func (p *peer) request(id uint64) *incoming {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[id]
}

func (p *peer) requested(m message) error {
	var body requestBody
	if err := decoding.Unmarshal(m.Body, &body); err != nil {
		return fmt.Errorf("%w: a malformed request", errProtocol)
	}
	r := &incoming{peer: p, id: m.ID, scope: scopeOf(body.Operation), stream: body.Stream, held: body.size()}
	ctx := p.link.ctx
	deadline := body.deadline()
	if !deadline.IsZero() {
		ctx, r.cancel = context.WithDeadline(ctx, deadline)
	} else {
		ctx, r.cancel = context.WithCancel(ctx)
	}
	if err := p.remember(r); err != nil {
		r.cancel()
		return p.link.send(typeFailed, m.ID, failedOf(err))
	}
	if !strings.HasPrefix(body.Operation, "/") {
		p.work.Go(func() { p.typed(ctx, r, body) })
		return nil
	}
	p.operation(r, body, deadline)
	return nil
}

// maxHeld is how many bytes the requests of one connection may keep together, or one of
// any size.
const maxHeld = 64 << 20

// size is what a request keeps, in bytes.
func (b *requestBody) size() int {
	n := len(b.Operation) + len(b.Input) + len(b.Parent)
	for k, v := range b.Metadata {
		n += len(k) + len(v)
	}
	return n
}

// remember enters a request, or says why it is refused.
func (p *peer) remember(r *incoming) *call.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch limit := p.server.cfg.MaxInFlight; {
	case p.closing:
		return call.Errorf(call.Unavailable, "the service is shutting down")
	case p.requests[r.id] != nil:
		return call.Errorf(call.Conflict, "a request with this id is still open")
	case len(p.requests) >= limit:
		return call.Errorf(call.ResourceExhausted, "%d requests to this service are in flight: wait for an answer", limit)
	case p.held > 0 && p.held+r.held > maxHeld:
		return call.Errorf(call.ResourceExhausted, "the inputs of the requests to this service have %d bytes: wait for an answer", p.held)
	}
	p.held += r.held
	p.requests[r.id] = r
	return nil
}

// maxIdle is the longest idle timeout, in ms: a year. A larger one could be no time.
const maxIdle = 366 * 24 * 60 * 60 * 1000

// operation has the registry answer a request.
func (p *peer) operation(r *incoming, body requestBody, deadline time.Time) {
	input, ok := embedded(body.Input)
	switch {
	case p.server.cfg.Registry == nil:
		r.Failed(call.Errorf(call.NotFound, "there is no operation %.80q in this service", body.Operation))
		return
	case !p.identity.Load().HasScope(ScopeOperations):
		r.Failed(call.Errorf(call.Forbidden, "this node may not invoke operations of the service: its key needs the scope %s there", ScopeOperations))
		return
	case body.Idle < 0 || body.Idle > maxIdle:
		r.Failed(call.Errorf(call.InvalidInput, "the idle timeout is %d ms: 0, which is none, to %d are taken", body.Idle, maxIdle))
		return
	case !ok || !json.Valid(input):
		r.Failed(call.Errorf(call.InvalidInput, "the input is not JSON"))
		return
	}
	opts := &call.Options{
		IdleTimeout: time.Duration(body.Idle) * time.Millisecond, Window: body.Window, ParentRequestID: body.Parent, Metadata: body.Metadata,
	}
	opts.Deadline = deadline
	kind := call.Single
	if body.Stream {
		kind = call.Stream
	}
	r.started(p.server.cfg.Registry.Start(kind, body.Operation, input, opts, identityOf(body.Identity), p.server.cfg.Logger, r))
}

// typed answers a request to the SecretService or the ConfigService.
func (p *peer) typed(ctx context.Context, r *incoming, body requestBody) {
	defer clear(body.Input)
	defer func() {
		if defect := recover(); defect != nil {
			p.server.cfg.Logger.Error("service panicked", "operation", body.Operation, "panic", fmt.Sprint(defect), "stack", string(debug.Stack()))
			r.Failed(call.Errorf(call.Internal, "the operation failed; its service has logged why"))
		}
	}()
	err := p.dispatch(ctx, r, body)
	if err == nil {
		return
	}
	var coded *call.Error
	switch {
	case errors.As(err, &coded):
	case ctx.Err() != nil:
		coded = call.Errorf(call.CodeOf(ctx.Err()), "the operation did not finish")
	default:
		p.server.cfg.Logger.Error("service failed", "operation", body.Operation, "error", err)
		coded = call.Errorf(call.Internal, "the operation failed; its service has logged why")
	}
	r.Failed(coded)
}

func (p *peer) dispatch(ctx context.Context, r *incoming, body requestBody) error {
	kind, _, _ := strings.Cut(body.Operation, ".")
	offered, scope := false, ""
	switch kind {
	case "secret":
		offered, scope = p.server.cfg.Secrets != nil, ScopeSecrets
	case "config":
		offered, scope = p.server.cfg.Config != nil, ScopeConfig
	}
	if !offered {
		return call.Errorf(call.NotFound, "there is no %.80q in this service", body.Operation)
	}
	if !p.identity.Load().HasScope(scope) {
		return call.Errorf(call.Forbidden, "this node may not use that of the service: its key needs the scope %s there", scope)
	}
	if kind == "secret" {
		return serveSecret(ctx, p.server.cfg.Secrets, r, body)
	}
	return serveConfig(ctx, p.server.cfg.Config, r, body)
}

// answer ends a typed request with its output, or sends one event of a stream.
func (r *incoming) answer(output any) error {
	raw, err := encoding.Marshal(output)
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	defer clear(raw)
	if !r.stream && !r.end() {
		return nil
	}
	return r.peer.link.send(typeOutput, r.id, outputBody{raw})
}

// started takes what an operation's request is controlled by. Its end, and the wish
// to stop it, may have come before.
func (r *incoming) started(out call.Outgoing) {
	r.mu.Lock()
	r.out, r.known = out, true
	stopped, credit := r.stopped, r.credit
	r.mu.Unlock()
	if stopped != "" {
		out.Abort(stopped)
		return
	}
	out.Credit(credit)
}

func (r *incoming) stop(reason string) {
	r.mu.Lock()
	out, known := r.out, r.known
	r.stopped = reason
	r.mu.Unlock()
	r.cancel()
	if known {
		out.Abort(reason)
	}
}

func (r *incoming) addCredit(n int) {
	r.mu.Lock()
	out, known := r.out, r.known
	if !known {
		r.credit += n
	}
	r.mu.Unlock()
	if known {
		out.Credit(n)
	}
}

// end reports whether the request had not ended yet.
func (r *incoming) end() bool {
	r.mu.Lock()
	was := r.over
	r.over = true
	r.mu.Unlock()
	if was {
		return false
	}
	r.cancel()
	p := r.peer
	p.mu.Lock()
	delete(p.requests, r.id)
	p.held -= r.held
	if len(p.requests) == 0 && p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
	p.mu.Unlock()
	return true
}

// Responded, Event, Completed and Failed implement call.Sink.
func (r *incoming) Responded(payload []byte) {
	if r.end() {
		r.give(typeOutput, outputBody{embed(call.OutputOf(payload))})
	}
}

func (r *incoming) Event(payload []byte) {
	r.give(typeOutput, outputBody{embed(call.OutputOf(payload))})
}

func (r *incoming) Completed() {
	if r.end() {
		r.give(typeCompleted, nil)
	}
}

func (r *incoming) Failed(err *call.Error) {
	if r.end() {
		r.give(typeFailed, failedOf(err))
	}
}

// give sends what fits; what does not is told instead.
func (r *incoming) give(typ messageType, body any) {
	err := r.peer.link.send(typ, r.id, body)
	if call.CodeOf(err) == call.InvalidInput {
		too := call.Errorf(call.ResourceExhausted, "the output is larger than a message may be")
		too.Retryable = false
		_ = r.peer.link.send(typeFailed, r.id, failedOf(too))
	}
}

func failedOf(err *call.Error) failedBody {
	body := failedBody{Code: string(err.Code), Message: err.Message, Retryable: err.Retryable}
	if len(err.Details) > 0 {
		body.Details = embed(err.Details)
	}
	return body
}

func errorOf(body failedBody) *call.Error {
	err := &call.Error{Code: call.Code(body.Code), Message: body.Message, Retryable: body.Retryable}
	if details, ok := embedded(body.Details); ok && json.Valid(details) {
		err.Details = details
	}
	return err
}

// partingTime is how long a node may take to close a connection that the service has
// said to be closing; a node that does not read must not hold up a shutdown.
const partingTime = time.Second

// shutdown takes nothing new, lets requests finish until ctx ends, and has the node
// close the link: it has read the last answers then.
func (p *peer) shutdown(ctx context.Context) {
	p.mu.Lock()
	p.closing = true
	var empty chan struct{}
	if len(p.requests) > 0 {
		empty = make(chan struct{})
		p.empty = empty
	}
	p.mu.Unlock()
	_ = p.link.send(typeClosing, 0, nil)
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
		case <-p.link.ctx.Done():
		}
	}
	for _, r := range p.all() {
		r.Failed(call.Errorf(call.Unavailable, "the service is shutting down"))
		r.stop("the service is shutting down")
	}
	late := time.NewTimer(partingTime)
	defer late.Stop()
	select {
	case <-p.link.ctx.Done():
	case <-late.C:
		p.link.close(errors.New("the service is shutting down"))
	}
}

func (p *peer) all() []*incoming {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*incoming, 0, len(p.requests))
	for _, r := range p.requests {
		all = append(all, r)
	}
	return all
}

// end stops what the node waits for, since its link is over.
func (p *peer) end(why error) {
	p.link.close(why)
	<-p.link.idle
	for _, r := range p.all() {
		r.stop("the node has gone")
	}
}
