package trace

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
)

// Key is the metadata key that carries a Context, as HTTP's header does.
const Key = "traceparent"

// Context is a span's place in a trace.
type Context struct {
	TraceID [16]byte
	SpanID  [8]byte
	Sampled bool // the trace is recorded
}

// Parse reads a traceparent (W3C Trace Context, section 3.2); ok is false for one
// that is malformed, which is to be treated as none.
func Parse(text string) (c Context, ok bool) {
	const size = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	// A later version may have more after what is known of it.
	if len(text) < size || text[2] != '-' || text[35] != '-' || text[52] != '-' || len(text) > size && (text[:2] == "00" || text[size] != '-') {
		return Context{}, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		text string
		into []byte
	}{{text[:2], version[:]}, {text[3:35], c.TraceID[:]}, {text[36:52], c.SpanID[:]}, {text[53:55], flags[:]}} {
		if !lowerHex(part.text) {
			return Context{}, false
		}
		if _, err := hex.Decode(part.into, []byte(part.text)); err != nil {
			return Context{}, false
		}
	}
	if version[0] == 0xff || c.TraceID == [16]byte{} || c.SpanID == [8]byte{} {
		return Context{}, false
	}
	c.Sampled = flags[0]&1 != 0
	return c, true
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// String gives the traceparent, version 00.
func (c Context) String() string {
	flags := "-00"
	if c.Sampled {
		flags = "-01"
	}
	return "00-" + hex.EncodeToString(c.TraceID[:]) + "-" + hex.EncodeToString(c.SpanID[:]) + flags
}

// newContext begins a trace; ratio is the part of traces that are recorded.
func newContext(ratio float64) Context {
	var c Context
	_, _ = rand.Read(c.TraceID[:]) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(c.SpanID[:])
	// By the trace's id, so that another node with the same ratio decides the same.
	part := float64(binary.BigEndian.Uint64(c.TraceID[8:])>>11) / (1 << 53)
	c.Sampled = part < ratio || ratio >= 1
	return c
}

// child is a span of the same trace.
func (c Context) child() Context {
	_, _ = rand.Read(c.SpanID[:])
	return c
}
