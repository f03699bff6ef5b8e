package pipe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/alkdev/alknet/go/internal/engine"
)

// The types of frames. A frame is the length of its body (4 bytes, big-endian), its
// type (1 byte) and its body; docs/ABI.md says what each body holds.
const (
	typeHello = 'H' // both sides, first

	typeBatch  = 'B' // commands
	typeAttach = 'A' // bytes for a command to come; answered
	typeSecret = 'S' // an operation on secrets, at once; answered
	typeTake   = 'T' // the result of a command `secret`; answered
	typeInvoke = 'I' // an operation without secrets, at once; answered

	typeCompletions = 'C'
	typeAnswer      = 'R'
)

// What an answer begins with.
const (
	answerOK      = 0
	answerFailed  = 1 // an error object follows
	answerRefused = 2 // an attachment too much, a result that is not there
)

const (
	headerSize = 5
	magic      = "alknet engine" // what a hello begins with, before the version
	helloSize  = len(magic) + 4

	// maxBatch holds what one string of JavaScript can have. It is read piece by piece,
	// so that only bytes that came take memory.
	maxBatch = math.MaxInt32
	// maxInput holds the largest input, with the names and arguments beside it.
	maxInput = engine.MaxAttachment + 64<<10
	// pieceSize is what is reserved before the first byte of a batch has come.
	pieceSize = 1 << 20
)

// frame is one message. Its body is the receiver's, to keep or to wipe.
type frame struct {
	kind byte
	body []byte
}

var (
	errMalformed = errors.New("a message is malformed: both sides must be of one release")
	errTorn      = errors.New("the messages ended in the middle of one")
)

// limitOf is how long the body of a frame may be; ok is false for types that do not
// come from the owner of an engine.
func limitOf(kind byte) (limit int64, ok bool) {
	switch kind {
	case typeHello:
		return int64(helloSize), true
	case typeBatch:
		return maxBatch, true
	case typeAttach:
		return engine.MaxAttachment, true
	case typeSecret, typeInvoke:
		return maxInput, true
	case typeTake:
		return 8, true
	}
	return 0, false
}

// readFrame reads one frame and not a byte more: nothing of a secret may stay in a
// buffer. The error is io.EOF where the stream ends between two frames.
func readFrame(in io.Reader) (frame, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return frame{}, ending(err)
	}
	length, kind := int64(binary.BigEndian.Uint32(header[:])), header[4]
	limit, ok := limitOf(kind)
	if !ok {
		return frame{}, fmt.Errorf("%w (type %q)", errMalformed, kind)
	}
	if length > limit {
		return frame{}, fmt.Errorf("a message of type %q has %d bytes: want at most %d", kind, length, limit)
	}
	if kind == typeBatch && length > pieceSize {
		body := bytes.NewBuffer(make([]byte, 0, pieceSize))
		n, err := io.CopyN(body, in, length)
		if n < length {
			return frame{}, torn(err)
		}
		return frame{kind, body.Bytes()}, nil
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		clear(body)
		return frame{}, torn(err)
	}
	return frame{kind, body}, nil
}

func ending(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return errTorn
	}
	return ending(err)
}

// newFrame reserves a frame with a body of so many bytes.
func newFrame(kind byte, length int) []byte {
	f := make([]byte, headerSize+length)
	putHeader(f, kind, length)
	return f
}

func putHeader(dst []byte, kind byte, length int) {
	binary.BigEndian.PutUint32(dst, uint32(length))
	dst[4] = kind
}

// hello is the first frame of either side.
func hello(version uint32, text string) []byte {
	f := newFrame(typeHello, helloSize+len(text))
	copy(f[headerSize:], magic)
	binary.BigEndian.PutUint32(f[headerSize+len(magic):], version)
	copy(f[headerSize+helloSize:], text)
	return f
}

// versionOf reads the hello of an owner.
func versionOf(f frame) (version uint32, ok bool) {
	rest, ok := bytes.CutPrefix(f.body, []byte(magic))
	if f.kind != typeHello || !ok || len(rest) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(rest), true
}

// operation is what the frames of type secret and invoke ask for. Its parts lie in the
// body of the frame.
type operation struct {
	handle    int64 // of secret only
	name      string
	arguments []byte // of secret only
	input     []byte
}

// operationOf reads handle (8 bytes), name (its length in 1 byte), arguments (their
// length in 4) and input; invoke has only name and input.
func operationOf(f frame) (o operation, ok bool) {
	rest := f.body
	if f.kind == typeSecret {
		if o.handle, ok = numberOf(rest); !ok {
			return operation{}, false
		}
		rest = rest[8:]
	}
	if len(rest) < 1 || len(rest)-1 < int(rest[0]) {
		return operation{}, false
	}
	o.name, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	if f.kind == typeSecret {
		if len(rest) < 4 || int64(len(rest)-4) < int64(binary.BigEndian.Uint32(rest)) {
			return operation{}, false
		}
		n := binary.BigEndian.Uint32(rest)
		o.arguments, rest = rest[4:4+n], rest[4+n:]
	}
	o.input = rest
	return o, true
}

// numberOf reads a handle, which JavaScript counts up to 2⁵³.
func numberOf(b []byte) (n int64, ok bool) {
	if len(b) < 8 {
		return 0, false
	}
	u := binary.BigEndian.Uint64(b)
	return int64(u), u <= 1<<53
}
