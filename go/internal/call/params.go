package call

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

// MaxHops is how many nodes may pass a request on before it reaches the one that
// handles it. It ends rings of heads that are each other's workers.
const MaxHops = 8

// params are the members of call.requested. Its slices are parts of the frame until
// own has been called.
type params struct {
	operation   string
	input       []byte
	deadline    time.Time
	idleTimeout time.Duration
	window      int
	windowed    bool
	parent      string
	authToken   string
	metadata    []byte // JSON text, an object of strings; nil if there is none
	forwarded   []byte // JSON text of forwardedFor; nil if there is none
	hops        int
}

// parseParams reads the payload of call.requested.
func parseParams(payload []byte) (params, *Error) {
	var p params
	var bad string
	if !wire.Members(payload, func(name, value []byte) {
		ok := true
		switch string(name) {
		case "operationId":
			p.operation, ok = wire.Text(value)
		case "input":
			p.input = value
		case "deadline":
			var ms int64
			if ms, ok = number(value); ok {
				p.deadline = time.UnixMilli(ms)
			}
		case "idleTimeout":
			var ms int64
			ms, ok = number(value)
			p.idleTimeout = time.Duration(min(ms, maxMilliseconds)) * time.Millisecond
		case "window":
			var n int64
			n, ok = number(value)
			p.window, p.windowed = int(min(n, MaxWindow)), true
		case "parentRequestId":
			p.parent, ok = wire.Text(value)
			ok = ok && len(p.parent) <= wire.MaxID
		case "authToken":
			p.authToken, ok = wire.Text(value)
		case "metadata":
			p.metadata, ok = value, isTextMap(value)
		case "forwardedFor":
			p.forwarded = value
		case "hops":
			var n int64
			n, ok = number(value)
			p.hops = int(min(n, MaxHops+1))
		}
		if !ok && bad == "" {
			bad = string(name)
		}
	}) {
		return p, Errorf(InvalidInput, "the request is not an object")
	}
	if bad != "" {
		return p, Errorf(InvalidInput, "the request's member %q is malformed", bad)
	}
	if p.operation == "" {
		return p, Errorf(InvalidInput, "the request names no operationId")
	}
	if p.input == nil {
		p.input = []byte("null")
	}
	return p, nil
}

// maxMilliseconds is what a time.Duration holds, 292 years.
const maxMilliseconds = int64(math.MaxInt64 / time.Millisecond)

// own makes the params outlive the frame that they came in.
func (p *params) own() {
	p.input = bytes.Clone(p.input)
	p.metadata = bytes.Clone(p.metadata)
	p.forwarded = bytes.Clone(p.forwarded)
}

// isTextMap reports whether text is an object of strings, or null.
func isTextMap(text []byte) bool {
	ok := true
	whole := wire.Members(text, func(_, value []byte) { ok = ok && value[0] == '"' })
	return whole && ok || string(text) == "null"
}

// textMap decodes an object of strings that isTextMap has accepted.
func textMap(text []byte) map[string]string {
	var m map[string]string
	if len(text) > 0 {
		_ = json.Unmarshal(text, &m)
	}
	return m
}

// number reads a whole, non-negative JSON number of at most 15 digits.
func number(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 15 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text), 10, 63)
	return int64(n), err == nil
}

// parseIdentity reads a forwardedFor: an identity, or null for an anonymous caller.
func parseIdentity(text []byte) (*auth.Identity, bool) {
	if string(text) == "null" {
		return nil, true
	}
	var id auth.Identity
	if json.Unmarshal(text, &id) != nil || id.ID == "" {
		return nil, false
	}
	return &id, true
}
