package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// DefaultMaxFrame is the largest body of a frame, in bytes, unless configured.
	DefaultMaxFrame = 16 << 20
	// MaxMaxFrame is the largest limit that may be configured.
	MaxMaxFrame = 64 << 20

	// HeaderSize is how many bytes of length stand before a frame's body.
	HeaderSize = 4

	// idleBuffer is what a reader holds while it waits, and readBuffer what it borrows
	// while frames come in bursts: they are parsed in place.
	idleBuffer = 2 << 10
	readBuffer = 64 << 10
	// quiet is how many reads in a row must have needed no more than an idleBuffer
	// before a readBuffer is given back.
	quiet = 16
	// growStep bounds what a frame that was announced but not sent can reserve.
	growStep = 256 << 10
)

// Reader splits a byte stream into frames. It is not safe for concurrent use.
type Reader struct {
	r     *bufio.Reader // own, or one of readBuffers that reads from own
	own   *bufio.Reader
	grows bool // whether it may borrow one
	limit uint32
	skip  int    // bytes of the last body that are still in r's buffer
	large []byte // a body that did not fit r's buffer

	since int // bytes of frames since r was empty
	light int // how often in a row that was little

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

// Done gives back what the reader has reserved and borrowed; it is not used after
// that, nor is a body that it has returned and that was not the caller's to keep.
func (r *Reader) Done() {
	r.release()
	r.shrink()
}

func (r *Reader) release() {
	if r.reserved > 0 {
		r.budget.Release(r.reserved)
		r.reserved = 0
	}
}

// readBuffers are shared by all readers: few sessions of many are busy at a time.
var readBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// grow borrows a large buffer, which goes on where the reader's own stands.
func (r *Reader) grow() {
	r.r = readBuffers.Get().(*bufio.Reader)
	r.r.Reset(r.own)
	r.light = 0
}

// shrink gives a borrowed buffer back, with what it holds.
func (r *Reader) shrink() {
	if r.r == r.own {
		return
	}
	r.r.Reset(nil)
	readBuffers.Put(r.r)
	r.r = r.own
}

// rest gives a borrowed buffer back after so many reads that did not need it. It is
// called between frames.
func (r *Reader) rest() {
	if r.r == r.own || r.r.Buffered() > 0 {
		return
	}
	if r.since > idleBuffer {
		r.light = 0
	} else if r.light++; r.light >= quiet {
		r.shrink()
	}
	r.since = 0
}

// NewReader returns a Reader of frames whose bodies are at most limit bytes;
// zero means DefaultMaxFrame, and more than MaxMaxFrame is cut to it. It holds a
// buffer of 2 KiB, and one of 64 KiB while frames come in bursts.
func NewReader(r io.Reader, limit int) *Reader {
	reader := NewReaderSize(r, limit, idleBuffer)
	reader.grows = true
	return reader
}

// NewReaderSize is NewReader with a read buffer of size bytes throughout, and at
// least 16.
func NewReaderSize(r io.Reader, limit, size int) *Reader {
	own := bufio.NewReaderSize(r, size)
	reader := &Reader{r: own, own: own}
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
	r.release()
	r.rest()
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
	r.since += HeaderSize + size
	if r.grows && r.r == r.own && HeaderSize+size <= readBuffer && (HeaderSize+size > idleBuffer || r.r.Buffered() == idleBuffer) {
		r.grow() // the frame is larger than its own buffer, or more has come than that holds
	}
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
