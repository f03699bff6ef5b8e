package call

import (
	"bytes"
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Respond ends a query or a mutation with its output, a JSON text.
func (r *Request) Respond(output json.RawMessage) error {
	if r.op.spec.Type == TypeSubscription {
		if err := r.Send(output); err != nil {
			return err
		}
		return r.Complete()
	}
	if err := r.checkAnswer("the output", output); err != nil {
		return err
	}
	switch held, err := r.withhold(output); {
	case err == errNoRoom:
		r.Fail(err)
		return err
	case held || err != nil:
		return err
	}
	return r.end(nil, func() {
		if r.local != nil {
			r.local.responded(output)
			return
		}
		r.tellOutput(output)
	})
}

// tellOutput queues the answer of a query or a mutation. It is for end and finish.
func (r *Request) tellOutput(output json.RawMessage) {
	out := r.output(len(output))
	out.addBuilt(wire.Responded, r.id, func(dst []byte) []byte { return appendOutput(dst, output) })
	if r.params.windowed {
		out.add(wire.Completed, r.id, emptyObject) // the caller subscribed to a call: tell it that no more comes
	}
}

// withhold keeps the answer of a query or a mutation until its caller, who subscribed
// to it, has room for one event: credit is the same for every type of operation.
func (r *Request) withhold(output json.RawMessage) (held bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended || r.local != nil || !r.params.windowed || r.credit > 0:
		return false, nil
	case r.answer != nil:
		return false, ErrEnded
	}
	s := r.session
	if waiting := s.queued.Load(); waiting > 0 && waiting+int64(len(output)) > int64(s.cfg.Limits.MaxQueued) {
		return false, errNoRoom
	}
	s.addQueued(len(output))
	r.answer = bytes.Clone(output)
	return true, nil
}

var errNoRoom = Errorf(ResourceExhausted, "the answers that wait for their callers' credit take too much memory: give credit first")

// Send sends one event of a subscription. It blocks while the caller has no room,
// and returns ErrEnded, or the *Error that ended the request, once it is over.
func (r *Request) Send(event json.RawMessage) error {
	return r.send(event, true)
}

// TrySend is Send for handlers that must not block: it returns ErrNoCredit instead.
func (r *Request) TrySend(event json.RawMessage) error {
	return r.send(event, false)
}

func (r *Request) send(event json.RawMessage, wait bool) error {
	if err := r.checkAnswer("an event", event); err != nil {
		return err
	}
	r.mu.Lock()
	for !r.ended && r.params.windowed && r.credit == 0 {
		if !wait {
			r.mu.Unlock()
			return ErrNoCredit
		}
		r.more.Wait()
	}
	if r.ended {
		cause := r.cause
		r.mu.Unlock()
		r.dropped()
		if cause == nil {
			cause = ErrEnded
		}
		return cause
	}
	if r.local != nil {
		r.credit--
		more := r.local.event(event)
		r.rest()
		r.mu.Unlock()
		if !more {
			_ = r.finish(errOneAnswer, func() {}, dontWake)
		}
		return nil
	}
	if !r.params.windowed && !r.unwindowed() {
		r.mu.Unlock()
		err := tooSlow(r.Operation())
		r.Fail(err)
		return err
	}
	r.credit--
	out := r.output(len(event))
	out.addBuilt(wire.Responded, r.id, func(dst []byte) []byte { return appendOutput(dst, event) })
	r.rest()
	r.mu.Unlock()
	out.kick()
	return nil
}

func tooSlow(operation string) *Error {
	return Errorf(ResourceExhausted, "the caller of %s gave no window and reads too slowly: %d events wait", operation, unwindowedEvents)
}

// unwindowed counts an event for a caller without a window and reports whether it
// may still wait to be written. Called with r.mu held.
func (r *Request) unwindowed() bool {
	batch, writing := r.output(0).current()
	switch batch {
	case r.batch:
	case r.batch + 1:
		r.inLast, r.inBatch = r.inBatch, 0
	default:
		r.inLast, r.inBatch = 0, 0
	}
	r.batch = batch
	waiting := r.inBatch
	if writing {
		waiting += r.inLast
	}
	r.inBatch++
	return waiting < unwindowedEvents
}

// Complete ends a subscription well.
func (r *Request) Complete() error {
	return r.end(nil, r.tellCompleted)
}

// Fail ends the request with an error. What is not an *Error is logged and reaches
// the caller as INTERNAL without its text.
func (r *Request) Fail(err error) {
	e := public(err)
	if e.Code == Internal && error(e) != err {
		r.logger().Error("handler failed", "operation", r.Operation(), "error", err)
	}
	_ = r.end(nil, func() { r.tellFailed(e) })
}

// tellFailed and tellCompleted queue a terminal event. They are for end and finish.
func (r *Request) tellFailed(err *Error) {
	r.observed.outcome = err
	if r.local != nil {
		r.local.failed(err)
		return
	}
	if !r.output(0).addBuilt(wire.Failed, r.id, err.AppendJSON) {
		r.logger().Error("an error is larger than the other node's frames: it is told without its text", "operation", r.Operation(), "code", err.Code)
		short := &Error{Code: err.Code, Message: "the error's text is larger than a frame", Retryable: err.Retryable}
		if len(short.Code) > maxName {
			short.Code = Internal
		}
		r.output(0).addBuilt(wire.Failed, r.id, short.AppendJSON)
	}
}

func (r *Request) tellCompleted() {
	if r.local != nil {
		r.local.completed()
		return
	}
	r.output(0).add(wire.Completed, r.id, emptyObject)
}

// wake says how what a request queued at its end gets written.
type wake int

const (
	write    wake = iota // by the calling goroutine, which may block
	kick                 // by another goroutine
	dontWake             // by whoever asked for the end
)

// end is finish on behalf of the handler: one that has a goroutine of its own
// writes the answer itself.
func (r *Request) end(cause *Error, answer func()) error {
	if r.op.handler.immediate() {
		return r.finish(cause, answer, kick)
	}
	return r.finish(cause, answer, write)
}

// finish ends the request once; answer queues the terminal event. cause is nil when
// the handler itself ends it.
func (r *Request) finish(cause *Error, answer func(), how wake) error {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		r.dropped()
		return ErrEnded
	}
	r.ended = true
	r.cause = ErrEnded
	if cause != nil {
		r.cause = cause
	}
	if r.session != nil {
		r.session.forget(r)
	}
	if r.answer != nil {
		r.session.addQueued(-len(r.answer))
		r.answer = nil
	}
	if answer != nil {
		answer()
	}
	if r.session != nil {
		r.session.answerQueued()
	}
	own, stream, children := r.own, r.stream, r.children
	cancel, onCancel, deadline, idle, relay, expiry := r.cancel, r.onCancel, r.deadline, r.idle, r.relay, r.authority.expiry
	why := r.cause
	r.children = nil
	if r.more.L != nil {
		r.more.Broadcast()
	}
	r.mu.Unlock()

	if deadline != nil {
		deadline.Stop()
	}
	if idle != nil {
		idle.Stop()
	}
	if expiry != nil {
		expiry.Stop()
	}
	if relay != nil && cause != nil {
		relay.drop(cause.Message)
	}
	if cancel != nil {
		cancel(why)
	}
	for child := range children {
		child.abort("the request that it served has ended")
	}
	switch {
	case r.session == nil:
	case own != nil && answer != nil:
		own.end()
	case own != nil:
		own.abandon()
		stream.Cancel()
	case answer == nil || how == dontWake:
	case how == write:
		r.session.out.flush()
	default:
		r.session.out.kick()
	}
	if cause != nil && onCancel != nil {
		onCancel(cause)
	}
	r.observeEnd(cause)
	return nil
}

// output returns where the request's next frame goes: a stream of its own for a
// subscription and for large answers where the link has streams, else the main
// one. Called with r.mu held, or before the request is shared.
func (r *Request) output(size int) *output {
	if r.own != nil {
		return r.own
	}
	if size > 0 && (r.op.spec.Type == TypeSubscription || size >= ownStreamSize) {
		if out, stream := r.session.openOutput(); out != nil {
			out.refused = func() { go func() { _ = r.end(Errorf(Aborted, "the caller has stopped reading"), nil) }() }
			r.own, r.stream = out, stream
			return out
		}
	}
	return r.session.out
}

// checkAnswer ends the request when what its handler sends cannot be taken: it does
// not match the operation's schema, where that is checked, or it does not fit into
// a frame.
func (r *Request) checkAnswer(what string, output []byte) error {
	err := r.checkOutput(output)
	if err == nil && r.session != nil && wire.TooDeep(output) {
		err = Errorf(ResourceExhausted, "%s of %s has more than the %d levels of JSON that a frame may have", what, r.Operation(), wire.MaxDepth)
		err.Retryable = false
	}
	if err == nil && r.session != nil && r.session.oversized(len(output)) {
		err = Errorf(ResourceExhausted, "%s of %s has %d bytes, more than the other node takes in one frame", what, r.Operation(), len(output))
		err.Retryable = false
	}
	if err != nil {
		r.Fail(err)
		return err
	}
	return nil
}

func (r *Request) checkOutput(output []byte) *Error {
	if r.op.output == nil || !r.registry.checkOutputs.Load() {
		return nil
	}
	violations, failed := r.op.output.check(output, r)
	if failed != nil {
		return failed
	}
	if len(violations) == 0 {
		return nil
	}
	r.logger().Error("output does not match its schema", "operation", r.Operation(), "pointer", violations[0].Pointer, "violation", violations[0].Message)
	return Errorf(Internal, "the operation gave an output that does not match its own schema")
}

var emptyObject = []byte("{}")

func appendOutput(dst, output []byte) []byte {
	dst = append(dst, `{"output":`...)
	dst = append(dst, output...)
	return append(dst, '}')
}
