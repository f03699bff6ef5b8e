package call

import (
	"context"
	"io"
)

// Link is what a session needs of a connection: one ordered byte stream between
// two nodes. Read and Write may run at the same time; Close unblocks both.
type Link interface {
	io.Reader
	io.Writer
	// Close ends the connection and tells the other side why where it can; then the
	// other side's errors have a method CloseReason() string that gives it.
	Close(reason string) error
	// KeepsAlive reports whether the transport itself notices a dead peer, so that
	// the session need not send pings.
	KeepsAlive() bool
}

// EagerLink is a Link to which small batches can be written without blocking, which
// spares a hand-over to another goroutine.
type EagerLink interface {
	Link
	// TryWrite writes all of p and returns true, or nothing and false where that
	// might block. It counts as a Write.
	TryWrite(p []byte) (ok bool, err error)
}

// HalfCloser is a Link that can end its writing side alone. An error means that it
// cannot.
type HalfCloser interface {
	CloseWrite() error
}

// StreamLink is a Link with further streams, which spare a subscription from
// waiting for another one's lost packets.
type StreamLink interface {
	Link
	// OpenStream opens a one-way stream without blocking; it fails while the other
	// side allows no more.
	OpenStream() (SendStream, error)
	// AcceptStream waits for a stream that the other side opened.
	AcceptStream(ctx context.Context) (ReceiveStream, error)
}

// SendStream is the writing end of a one-way stream. Close ends it in order,
// Cancel abandons what was not sent.
type SendStream interface {
	io.WriteCloser
	Cancel()
}

// ReceiveStream is the reading end of a one-way stream.
type ReceiveStream interface {
	io.Reader
	Cancel()
}
