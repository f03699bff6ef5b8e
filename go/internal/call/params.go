package call

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// MaxHops is how many nodes may pass a request on before it reaches the one that
// handles it. It ends rings of heads that are each other's workers.
const MaxHops = 8

// MinIdleTimeout is the shortest idle timeout: below it the pauses of any network would
// end subscriptions.
const MinIdleTimeout = 100 * time.Millisecond

// params are the members of call.requested. Its slices are parts of the frame until
// own has been called.
type params struct {
	operation   string
	input       []byte
	deadline    time.Time // by this node's monotonic clock
	idleTimeout time.Duration
	window      int
	windowed    bool
	parent      string
	authToken   string
	tokened     bool   // authToken is there, whatever its length
	metadata    []byte // JSON text, an object of strings; nil if there is none
	forwarded   []byte // JSON text of forwardedFor; nil if there is none
	hops        int
	counted     int // bytes that count against maxQueued while the request is in flight
}

// requestMembers are the members of call.requested that this package reads; the index
// is a bit of paramsReader.seen.
var requestMembers = [...]string{"operationId", "input", "timeout", "deadline", "idleTimeout", "window", "parentRequestId", "authToken", "metadata", "forwardedFor", "hops"}

// paramsReader reads the members of call.requested one by one.
type paramsReader struct {
	params
	seen    uint16
	timeout bool   // timeout was there: deadline does not count
	bad     string // the first member that is malformed
	twice   bool   // bad occurs twice
}

// parseParams reads the payload of call.requested.
func parseParams(payload []byte) (params, *Error) {
	var r paramsReader
	whole := wire.Members(payload, r.member)
	p := r.params
	switch {
	case !whole:
		return p, Errorf(InvalidInput, "the request is not an object")
	case r.twice:
		return p, Errorf(InvalidInput, "the request's member %q occurs twice", r.bad)
	case r.bad == "hops" && p.hops > MaxHops:
		return p, Errorf(InvalidInput, "the request has passed more than %d nodes", MaxHops)
	case r.bad != "":
		return p, Errorf(InvalidInput, "the request's member %q is malformed", r.bad)
	case p.operation == "":
		return p, Errorf(InvalidInput, "the request names no operationId")
	case p.forwarded != nil && p.tokened:
		return p, Errorf(InvalidInput, "a request that is forwarded for another identity may not carry a token")
	}
	if p.input == nil {
		p.input = []byte("null")
	}
	p.counted = counted(p.input, p.metadata, p.forwarded)
	return p, nil
}

// member takes one member. null is as if the member were absent, but for input, which
// may be anything, and forwardedFor, where it is the anonymous caller.
func (r *paramsReader) member(name, value []byte) {
	index := slices.Index(requestMembers[:], string(name))
	if index < 0 {
		return
	}
	again := r.seen&(1<<index) != 0
	r.seen |= 1 << index
	ok := !again
	switch {
	case again:
	case string(name) == "input":
		r.input = value
	case string(name) == "forwardedFor":
		r.forwarded = value
	case string(value) != "null":
		ok = r.value(string(name), value)
	}
	if !ok && r.bad == "" {
		r.bad, r.twice = requestMembers[index], again
	}
}

// value reads a member that is not null and reports whether it is well-formed.
func (r *paramsReader) value(name string, value []byte) bool {
	var n int64
	ok := true
	switch name {
	case "operationId":
		r.operation, ok = wire.Text(value)
		ok = ok && isName(r.operation)
	case "timeout":
		if n, ok = number(value); ok {
			r.deadline, r.timeout = after(milliseconds(n)), true
		}
	case "deadline":
		if n, ok = number(value); ok && !r.timeout {
			// Version 0.1 sent a time of the wall clock. From here on it is a span, too.
			r.deadline = after(time.Until(time.UnixMilli(n)))
		}
	case "idleTimeout":
		n, ok = number(value)
		r.idleTimeout = milliseconds(n)
		ok = ok && r.idleTimeout >= MinIdleTimeout
	case "window":
		n, ok = number(value)
		r.window, r.windowed = int(min(n, MaxWindow)), true
	case "parentRequestId":
		r.parent, ok = wire.Text(value)
		ok = ok && len(r.parent) <= wire.MaxID
	case "authToken":
		if ok = len(value) <= maxToken; ok {
			r.authToken, ok = wire.Text(value)
		}
		r.tokened = true
	case "metadata":
		r.metadata, ok = value, isTextMap(value)
	case "hops":
		n, ok = number(value)
		r.hops = int(min(n, MaxHops+1))
		ok = ok && r.hops <= MaxHops
	}
	return ok
}

// after is a time of the monotonic clock.
func after(d time.Duration) time.Time { return time.Now().Add(d) }

func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, maxMilliseconds)) * time.Millisecond
}

// appendTimeout appends how many ms are left until deadline, a begun one as a whole.
func appendTimeout(dst []byte, deadline time.Time) []byte {
	left := max(0, time.Until(deadline))
	ms := left.Milliseconds()
	if left%time.Millisecond > 0 {
		ms++
	}
	return strconv.AppendInt(append(dst, `,"timeout":`...), ms, 10)
}

// maxMilliseconds is what a time.Duration holds, 292 years.
const maxMilliseconds = int64(math.MaxInt64 / time.Millisecond)

// own makes the params outlive the frame that they came in.
func (p *params) own() {
	p.input = bytes.Clone(p.input)
	p.metadata = bytes.Clone(p.metadata)
}

// keep has the params hold no more than they count. owned says that the frame, which had
// size bytes, need not be copied: it is kept where little of it is anything else.
func (p *params) keep(owned bool, size int) {
	if !owned || size-p.counted > min(p.counted/8, largestWaste) {
		p.own()
	}
}

// largestWaste is how many bytes of a frame may be kept that do not count.
const largestWaste = 64 << 10

// maxToken bounds an authToken, in bytes: as the first frame bounds the token in it.
const maxToken = maxOpenFrame

// isTextMap reports whether text is an object of strings whose names differ.
func isTextMap(text []byte) bool {
	ok := true
	var names wire.Names
	whole := wire.Members(text, func(name, value []byte) { ok = ok && value[0] == '"' && names.Add(name) })
	return whole && ok
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
