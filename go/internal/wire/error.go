package wire

// Class says in one word what was wrong with a frame.
type Class string

// The classes of malformed frames.
const (
	ClassLength Class = "length" // the announced length is 0 or over the limit
	ClassEOF    Class = "eof"    // the stream ended inside a frame
	ClassUTF8   Class = "utf8"   // the body is not UTF-8 (RFC 3629)
	ClassJSON   Class = "json"   // the body is not one JSON text with unique names (RFC 8259, RFC 7493)
	ClassShape  Class = "shape"  // the JSON is not an envelope
)

// ProtocolError says why a frame was refused. It ends the session that the frame
// came on: a stream is not to be trusted after one bad frame.
type ProtocolError struct {
	Class  Class
	Reason string
}

// Error returns the reason, which quotes nothing of the frame.
func (e *ProtocolError) Error() string { return e.Reason }

var protocolErrorNotJSON = protocolError(ClassJSON, "the frame is not JSON")

func protocolError(class Class, reason string) *ProtocolError {
	return &ProtocolError{Class: class, Reason: reason}
}
