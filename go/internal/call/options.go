package call

import (
	"strconv"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Kind says whether a request wants one answer or many.
type Kind int

// The kinds of requests.
const (
	Single Kind = iota // ends with its first answer
	Stream             // a subscription
)

// Options of a request. The zero value means none.
type Options struct {
	// Deadline is when the caller stops waiting; the handler's node is told, and
	// both sides end the request with TIMEOUT. Zero means none.
	Deadline time.Time
	// IdleTimeout ends a subscription that sends nothing for so long while it may: at
	// least MinIdleTimeout.
	IdleTimeout time.Duration
	// Window is how many events of a subscription may be ahead of the reader; 0
	// means DefaultWindow.
	Window int
	// Metadata travels with the request, trace context for example.
	Metadata map[string]string
	// AuthToken makes this one request under another identity.
	AuthToken string
	// ParentRequestID is the request that this one serves. Requests that a handler
	// makes with Request.Start carry the id of its own.
	ParentRequestID string
	// ContinueRunning lets what a handler invoked go on when the handler's own request
	// has ended, its deadline included. It is for calls, not for subscriptions.
	ContinueRunning bool

	at        string // goes before the operation's name
	metadata  []byte // JSON text in place of Metadata
	forwarded []byte // JSON text of forwardedFor
	hops      int
}

// window returns how many events of a subscription may be ahead of the reader.
func (o *Options) window(kind Kind) int {
	switch {
	case kind != Stream:
		return 0
	case o.Window <= 0:
		return DefaultWindow
	}
	return min(o.Window, MaxWindow)
}

// checkIdle refuses an idle timeout that no node takes.
func (o *Options) checkIdle() *Error {
	if o.IdleTimeout > 0 && o.IdleTimeout < MinIdleTimeout {
		return Errorf(InvalidInput, "the idle timeout is %v: at least %v are taken", o.IdleTimeout, MinIdleTimeout)
	}
	return nil
}

// appendRequest appends the payload of call.requested, but for the timeout, which is
// counted from when the frame leaves, and the last brace.
func appendRequest(dst []byte, operation string, input []byte, window int, opts *Options) []byte {
	dst = append(dst, `{"operationId":`...)
	dst = wire.AppendText(dst, operation)
	dst = append(dst, `,"input":`...)
	if len(input) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, input...)
	}
	if opts.IdleTimeout > 0 {
		dst = strconv.AppendInt(append(dst, `,"idleTimeout":`...), opts.IdleTimeout.Milliseconds(), 10)
	}
	if window > 0 {
		dst = strconv.AppendInt(append(dst, `,"window":`...), int64(window), 10)
	}
	if opts.ParentRequestID != "" {
		dst = wire.AppendText(append(dst, `,"parentRequestId":`...), opts.ParentRequestID)
	}
	if opts.AuthToken != "" {
		dst = wire.AppendText(append(dst, `,"authToken":`...), opts.AuthToken)
	}
	if opts.metadata != nil {
		dst = append(append(dst, `,"metadata":`...), opts.metadata...)
	}
	if opts.forwarded != nil {
		dst = append(append(dst, `,"forwardedFor":`...), opts.forwarded...)
		dst = strconv.AppendInt(append(dst, `,"hops":`...), int64(opts.hops), 10)
	}
	return dst
}

// closeRequest ends the payload of a request that is sent now.
func closeRequest(dst []byte, deadline time.Time) []byte {
	if !deadline.IsZero() {
		dst = appendTimeout(dst, deadline)
	}
	return append(dst, '}')
}

func appendTextMap(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	first := true
	for k, v := range m {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = wire.AppendText(dst, k)
		dst = append(dst, ':')
		dst = wire.AppendText(dst, v)
	}
	return append(dst, '}')
}
