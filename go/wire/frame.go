package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// DefaultMaxFrame is the largest body of a frame, in bytes, unless configured.
	DefaultMaxFrame = 16 << 20
	// MaxMaxFrame is the largest limit that may be configured.
	MaxMaxFrame = 64 << 20

	// HeaderSize is how many bytes of length stand before a frame's body.
	HeaderSize = 4

	// readBuffer holds a burst of small frames, which are then parsed in place.
	readBuffer = 64 << 10
	// growStep bounds what a frame that was announced but not sent can reserve.
	growStep = 256 << 10
)

// Reader splits a byte stream into frames. It is not safe for concurrent use.
type Reader struct {
	r     *bufio.Reader
	limit uint32
	skip  int    // bytes of the last body that are still in r's buffer
	large []byte // a body that did not fit r's buffer

	budget   Budget
	reserved int // bytes, of the large body
}

// Budget bounds what the large frames of several Readers take together. A body
// that fits a Reader's buffer costs none.
type Budget interface {
	// Reserve waits until n bytes may be taken; its error becomes Next's.
	Reserve(n int) error
	Release(n int)
}

// SetBudget makes the reader ask before it takes memory for a large body. What it
// has reserved is released by the following Next, or by Done.
func (r *Reader) SetBudget(b Budget) { r.budget = b }

// Done releases what the reader has reserved; it is not used after that.
func (r *Reader) Done() {
	if r.reserved > 0 {
		r.budget.Release(r.reserved)
		r.reserved = 0
	}
}

// NewReader returns a Reader of frames whose bodies are at most limit bytes;
// zero means DefaultMaxFrame, and more than MaxMaxFrame is cut to it.
func NewReader(r io.Reader, limit int) *Reader {
	return NewReaderSize(r, limit, readBuffer)
}

// NewReaderSize is NewReader with a read buffer of at least size bytes.
func NewReaderSize(r io.Reader, limit, size int) *Reader {
	reader := &Reader{r: bufio.NewReaderSize(r, size)}
	reader.SetLimit(limit)
	return reader
}

// SetLimit changes the limit for the frames that follow, as NewReader takes it.
func (r *Reader) SetLimit(limit int) {
	if limit <= 0 {
		limit = DefaultMaxFrame
	}
	r.limit = uint32(min(limit, MaxMaxFrame))
}

// Next returns the body of the next frame. It is valid until the following call.
// At the end of the stream the error is io.EOF between frames and a
// *ProtocolError inside one; a length of zero or above the limit is a
// *ProtocolError too, found before memory for the body is reserved. Other errors
// are the stream's own.
func (r *Reader) Next() ([]byte, error) {
	if r.skip > 0 {
		if _, err := r.r.Discard(r.skip); err != nil {
			return nil, err
		}
		r.skip = 0
	}
	r.large = nil
	r.Done()
	header, err := r.r.Peek(HeaderSize)
	if err != nil {
		if errors.Is(err, io.EOF) && len(header) > 0 {
			return nil, protocolError(ClassEOF, "the stream ended inside a frame's length")
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(header)
	if n == 0 {
		return nil, protocolError(ClassLength, "the frame's length is 0")
	}
	if n > r.limit {
		return nil, protocolError(ClassLength, fmt.Sprintf("the frame's length %d is over the limit of %d bytes", n, r.limit))
	}
	size := int(n)
	if HeaderSize+size <= r.r.Size() {
		frame, err := r.r.Peek(HeaderSize + size)
		if err != nil {
			return nil, truncated(err)
		}
		r.skip = HeaderSize + size
		return frame[HeaderSize:], nil
	}
	if _, err := r.r.Discard(HeaderSize); err != nil {
		return nil, err
	}
	if r.budget != nil {
		// The whole length at once: half of a frame would hold what others need to finish.
		if err := r.budget.Reserve(size); err != nil {
			return nil, err
		}
		r.reserved = size
	}
	// Grow as the bytes arrive: an announced length alone reserves one step.
	body := make([]byte, min(size, growStep))
	have := 0
	for {
		k, err := io.ReadFull(r.r, body[have:])
		have += k
		if err != nil {
			return nil, truncated(err)
		}
		if have == size {
			r.large = body
			return body, nil
		}
		grown := make([]byte, min(size, 2*len(body)))
		copy(grown, body)
		body = grown
	}
}

// Owned reports whether the body that Next returned last is the caller's to
// keep, which spares a copy of large ones.
func (r *Reader) Owned() bool { return r.large != nil }

// Buffered returns how many bytes wait behind the body that Next returned last:
// 0 means that reading on will block or read from the stream.
func (r *Reader) Buffered() int { return r.r.Buffered() - r.skip }

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return protocolError(ClassEOF, "the stream ended inside a frame")
	}
	return err
}

// Ready reports whether the whole next frame is in the buffer, so that Next will
// neither block nor read from the stream.
func (r *Reader) Ready() bool {
	n := r.Buffered()
	if n < HeaderSize {
		return false
	}
	head, err := r.r.Peek(r.skip + HeaderSize)
	if err != nil {
		return false
	}
	return uint64(n) >= HeaderSize+uint64(binary.BigEndian.Uint32(head[r.skip:]))
}
