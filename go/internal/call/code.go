package call

// Code says what kind of failure an Error is. The set is closed, but for the
// codes that an operation declares in its errorSchemas.
type Code string

// The codes of the call protocol.
const (
	NotFound          Code = "NOT_FOUND"          // no such operation, or not for callers outside
	Unauthenticated   Code = "UNAUTHENTICATED"    // the credential does not verify
	Forbidden         Code = "FORBIDDEN"          // the identity lacks a scope or a resource
	InvalidInput      Code = "INVALID_INPUT"      // the input does not match the operation's schema
	Internal          Code = "INTERNAL"           // the handler failed; no detail is given away
	Timeout           Code = "TIMEOUT"            // the deadline passed; the operation may have happened
	Aborted           Code = "ABORTED"            // one side stopped it
	Unavailable       Code = "UNAVAILABLE"        // the session ended; the operation may have happened
	ResourceExhausted Code = "RESOURCE_EXHAUSTED" // a limit was reached
	Conflict          Code = "CONFLICT"           // the state does not allow it
	Unimplemented     Code = "UNIMPLEMENTED"      // known, but not offered here
	ProtocolError     Code = "PROTOCOL_ERROR"     // the other side broke the protocol
)

// Retryable reports whether a failure with this code may go away by itself.
// Unknown codes do not.
func (c Code) Retryable() bool {
	return c == Timeout || c == Unavailable || c == ResourceExhausted
}

// protocolCodes are all above.
var protocolCodes = map[Code]bool{
	NotFound: true, Unauthenticated: true, Forbidden: true, InvalidInput: true, Internal: true, Timeout: true, Aborted: true,
	Unavailable: true, ResourceExhausted: true, Conflict: true, Unimplemented: true, ProtocolError: true,
}

// Expects reports whether the request's operation may fail with a code: one of the
// protocol's, or one that its spec declares. Other nodes may send any other.
func (r *Request) Expects(code Code) bool {
	if protocolCodes[code] {
		return true
	}
	_, declared := r.op.spec.ErrorSchemas[string(code)]
	return declared
}
