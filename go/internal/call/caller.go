package call

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Option changes one request of Call or Subscribe.
type Option func(*Options)

// WithTimeout ends the request with TIMEOUT after d.
func WithTimeout(d time.Duration) Option {
	return func(o *Options) { o.Deadline = time.Now().Add(d) }
}

// WithIdleTimeout ends a subscription that sends nothing for d.
func WithIdleTimeout(d time.Duration) Option {
	return func(o *Options) { o.IdleTimeout = d }
}

// WithWindow lets a subscription be at most n events ahead of its reader.
func WithWindow(n int) Option { return func(o *Options) { o.Window = n } }

// WithMetadata sends strings along with the request.
func WithMetadata(m map[string]string) Option { return func(o *Options) { o.Metadata = m } }

// At puts a path before the operation's name: At("/dev1") makes /math/add
// /dev1/math/add.
func At(path string) Option { return func(o *Options) { o.at = path } }

// WithAuthToken makes the request under the token's identity.
func WithAuthToken(token string) Option { return func(o *Options) { o.AuthToken = token } }

func prepare(ctx context.Context, input any, options []Option) (json.RawMessage, *Options, error) {
	raw, err := encode(input)
	if err != nil {
		return nil, nil, Errorf(InvalidInput, "encode the input: %w", err)
	}
	var opts Options
	for _, option := range options {
		option(&opts)
	}
	if !opts.ContinueRunning {
		bounded(ctx, &opts)
	}
	return raw, &opts, nil
}

// Call sends a request and waits for its answer, the output's JSON text. input is
// encoded with encoding/json; a json.RawMessage goes out as it is. Ending ctx
// aborts the request on the other side too. The error is an *Error.
func (s *Session) Call(ctx context.Context, operation string, input any, options ...Option) (json.RawMessage, error) {
	raw, opts, err := prepare(ctx, input, options)
	if err != nil {
		return nil, err
	}
	answer := make(single, 1)
	request := s.Start(Single, opts.at+operation, raw, opts, answer)
	s.out.flush()
	return answer.wait(ctx, request, opts)
}

type answer struct {
	output json.RawMessage
	err    error
}

// single is the Sink of one call.
type single chan answer

// wait returns the answer, or aborts the request when ctx ends first.
func (c single) wait(ctx context.Context, request Outgoing, opts *Options) (json.RawMessage, error) {
	select {
	case a := <-c:
		return a.output, a.err
	case <-ctx.Done():
	}
	if !opts.ContinueRunning {
		request.Abort(context.Cause(ctx).Error())
		if a := <-c; a.err == nil || CodeOf(a.err) != Aborted {
			return a.output, a.err
		}
	}
	if CodeOf(ctx.Err()) == Timeout {
		return nil, Errorf(Timeout, "the answer did not come before the deadline: %w", ctx.Err())
	}
	return nil, Errorf(Aborted, "the request was aborted: %w", context.Cause(ctx))
}

func (c single) Responded(payload []byte) { c <- answer{output: outputOf(payload)} }
func (c single) Event([]byte)             {}
func (c single) Completed() {
	c <- answer{err: errNoAnswer()}
}
func (c single) Failed(err *Error)             { c <- answer{err: err} }
func (c single) output(output json.RawMessage) { c <- answer{output: output} }
func (c single) event(json.RawMessage)         {}

// OutputOf copies the output out of a payload that a Sink was given; it is null where
// the payload holds none.
func OutputOf(payload []byte) json.RawMessage { return outputOf(payload) }

// outputOf copies the output out of {"output":…}; an answer without one is null.
func outputOf(payload []byte) json.RawMessage {
	output := json.RawMessage("null")
	wire.Members(payload, func(name, value []byte) {
		if string(name) == "output" {
			output = append(json.RawMessage(nil), value...)
		}
	})
	return output
}

// Subscription is a stream of events for one reader. Close it, or read it to its
// end.
type Subscription struct {
	request Outgoing
	window  int

	mu     sync.Mutex
	events []json.RawMessage
	err    error
	wake   chan struct{} // holds a token when there is something to read
	read   int           // events read since credit was given
}

// Subscribe starts a subscription. The other side may be at most one window of
// events ahead; reading gives it credit.
func (s *Session) Subscribe(ctx context.Context, operation string, input any, options ...Option) (*Subscription, error) {
	raw, opts, err := prepare(ctx, input, options)
	if err != nil {
		return nil, err
	}
	sub := newSubscription(opts)
	sub.request = s.Start(Stream, opts.at+operation, raw, opts, sub)
	s.out.flush()
	return sub, nil
}

func newSubscription(opts *Options) *Subscription {
	return &Subscription{window: opts.window(Stream), wake: make(chan struct{}, 1)}
}

// Next returns the next event's JSON text. At the end the error is io.EOF; else it
// is an *Error, or ctx's own when ctx ended first, which leaves the subscription
// as it is. Next is not safe for concurrent use with itself.
func (u *Subscription) Next(ctx context.Context) (json.RawMessage, error) {
	for {
		u.mu.Lock()
		if len(u.events) > 0 {
			event := u.events[0]
			u.events[0] = nil
			u.events = u.events[1:]
			u.read++
			grant := 0
			if u.err == nil && u.read >= (u.window+1)/2 {
				grant, u.read = u.read, 0
			}
			u.mu.Unlock()
			u.request.Credit(grant)
			return event, nil
		}
		err := u.err
		u.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-u.wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close stops the subscription on both sides. It is idempotent.
func (u *Subscription) Close() {
	u.request.Abort("the subscriber has closed the subscription")
	u.mu.Lock()
	u.events = nil
	u.mu.Unlock()
}

// Responded implements Sink.
func (u *Subscription) Responded(payload []byte) { u.Event(payload) }

// Event implements Sink.
func (u *Subscription) Event(payload []byte) { u.event(outputOf(payload)) }

// output and event implement outputSink.
func (u *Subscription) output(output json.RawMessage) { u.event(output) }

func (u *Subscription) event(event json.RawMessage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return
	}
	u.events = append(u.events, event)
	u.signal()
}

// Completed implements Sink.
func (u *Subscription) Completed() { u.finish(io.EOF) }

// Failed implements Sink.
func (u *Subscription) Failed(err *Error) { u.finish(err) }

func (u *Subscription) finish(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = err
	}
	u.signal()
}

func (u *Subscription) signal() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}
