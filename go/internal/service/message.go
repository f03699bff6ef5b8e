package service

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/alkdev/alknet/go/internal/auth"
)

// Protocol is the name that both sides negotiate (RFC 7301).
const Protocol = "alknet-service/1"

const (
	headerSize = 4
	// maxMessage is the largest message taken, in bytes: that of a frame of the call
	// protocol, and what CBOR adds.
	maxMessage = 16<<20 + 64<<10
	// growStep bounds what a message that was announced but not sent can reserve.
	growStep = 256 << 10
)

// messageType says what a message is.
type messageType uint8

const (
	typeHello messageType = iota
	typeRequest
	typeAbort
	typeCredit
	typeOutput
	typeCompleted
	typeFailed
	typeClosing
)

// message is one message; its body depends on the type.
type message struct {
	_    struct{} `cbor:",toarray"`
	Type messageType
	ID   uint64
	Body cbor.RawMessage
}

type helloBody struct {
	Agent string `cbor:"1,keyasint,omitempty"`
}

type requestBody struct {
	Operation string            `cbor:"1,keyasint"`
	Input     cbor.RawMessage   `cbor:"2,keyasint"`
	Stream    bool              `cbor:"3,keyasint,omitempty"`
	Deadline  int64             `cbor:"4,keyasint,omitempty"` // of clients of version 0.1
	Idle      int64             `cbor:"5,keyasint,omitempty"`
	Window    int               `cbor:"6,keyasint,omitempty"`
	Parent    string            `cbor:"7,keyasint,omitempty"`
	Metadata  map[string]string `cbor:"8,keyasint,omitempty"`
	Identity  *identityBody     `cbor:"9,keyasint,omitempty"`
	Timeout   int64             `cbor:"10,keyasint,omitempty"`
}

// deadline is when the client stops waiting, by this process's monotonic clock; zero
// where it did not say.
func (b *requestBody) deadline() time.Time {
	switch {
	case b.Timeout > 0:
		return time.Now().Add(time.Duration(min(b.Timeout, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond)
	case b.Deadline > 0:
		return time.Now().Add(time.Until(time.UnixMilli(b.Deadline)))
	}
	return time.Time{}
}

type identityBody struct {
	ID        string              `cbor:"1,keyasint"`
	Scopes    []string            `cbor:"2,keyasint,omitempty"`
	Resources map[string][]string `cbor:"3,keyasint,omitempty"`
}

func identityOf(b *identityBody) *auth.Identity {
	if b == nil {
		return nil
	}
	return &auth.Identity{ID: b.ID, Scopes: b.Scopes, Resources: b.Resources}
}

func bodyOf(id *auth.Identity) *identityBody {
	if id == nil {
		return nil
	}
	return &identityBody{id.ID, id.Scopes, id.Resources}
}

type abortBody struct {
	Reason string `cbor:"1,keyasint,omitempty"`
}

type outputBody struct {
	Output cbor.RawMessage `cbor:"1,keyasint"`
}

type failedBody struct {
	Code      string          `cbor:"1,keyasint"`
	Message   string          `cbor:"2,keyasint"`
	Retryable bool            `cbor:"3,keyasint,omitempty"`
	Details   cbor.RawMessage `cbor:"4,keyasint,omitempty"`
}

// encoding and decoding are what both sides agree on: the one form of RFC 8949,
// section 4.2.1, and nothing that a parser may read in two ways.
var encoding, decoding = modes()

func modes() (cbor.EncMode, cbor.DecMode) {
	encode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("service: " + err.Error()) // a defect of this package
	}
	decode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		MaxNestedLevels: 16, MaxArrayElements: 1 << 16, MaxMapPairs: 1 << 12,
	}.DecMode()
	if err != nil {
		panic("service: " + err.Error())
	}
	return encode, decode
}

// appendMessage appends a whole message to dst.
func appendMessage(dst []byte, typ messageType, id uint64, body any) ([]byte, error) {
	raw, err := encoding.Marshal(body)
	if err != nil {
		return dst, err
	}
	defer clear(raw) // it may hold a secret
	text, err := encoding.Marshal(message{Type: typ, ID: id, Body: raw})
	if err != nil {
		return dst, err
	}
	defer clear(text)
	if len(text) > maxMessage {
		return dst, fmt.Errorf("a message of %d bytes is more than the %d that are taken", len(text), maxMessage)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...), nil
}

// errProtocol is wrapped by the errors of what the other side sent.
var errProtocol = errors.New("the other side broke the protocol")

// readMessage reads one message. Its body is a part of buf, which is valid, and to be
// wiped, until the next call.
func readMessage(r io.Reader, buf []byte) (m message, whole []byte, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return m, buf, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 || n > maxMessage {
		return m, buf, fmt.Errorf("%w: a message of %d bytes", errProtocol, n)
	}
	// Grow as the bytes arrive: an announced length alone reserves one step.
	size := int(n)
	if cap(buf) < min(size, growStep) {
		buf = make([]byte, min(size, growStep))
	}
	buf = buf[:min(size, cap(buf))]
	for have := 0; ; {
		k, err := io.ReadFull(r, buf[have:])
		have += k
		if err != nil {
			return m, buf, err
		}
		if have == size {
			break
		}
		grown := make([]byte, min(size, 2*len(buf)))
		copy(grown, buf)
		clear(buf)
		buf = grown
	}
	if err := decoding.Unmarshal(buf, &m); err != nil || len(m.Body) == 0 { // null is a message without anything
		return m, buf, fmt.Errorf("%w: a message that is not CBOR of this protocol", errProtocol)
	}
	return m, buf, nil
}

// tagJSON marks a byte string that is a JSON text.
const tagJSON = 262

// embed gives a JSON text as it stands in a message.
func embed(text []byte) cbor.RawMessage {
	raw, err := encoding.Marshal(cbor.Tag{Number: tagJSON, Content: text})
	if err != nil {
		return cbor.RawMessage{0xf6} // null; bytes alone do not fail
	}
	return raw
}

// embedded returns the JSON text of a value that embed made; ok is false for any
// other.
func embedded(raw cbor.RawMessage) (text []byte, ok bool) {
	var tag cbor.RawTag
	if decoding.Unmarshal(raw, &tag) != nil || tag.Number != tagJSON {
		return nil, false
	}
	if decoding.Unmarshal(tag.Content, &text) != nil {
		return nil, false
	}
	return text, true
}
