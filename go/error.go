package alknet

import (
	"encoding/json"
	"errors"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/transport"
)

// Error is a failure of the call protocol, local or of the peer. Fields: Code [Code],
// Message string, Retryable bool, Details json.RawMessage (optional). A handler's Error
// travels to its caller: write the message for strangers.
//
// errors.Is(err, &Error{Code: NotFound}) compares the code alone.
type Error = call.Error

// Code names a kind of failure: one of the constants of this package, or one that an
// operation declares in its ErrorSchemas. Its form is [A-Z][A-Z0-9_]{0,63}.
type Code = call.Code

// The codes of the call protocol. Timeout, Unavailable and ResourceExhausted are
// retryable.
const (
	NotFound          = call.NotFound          // no such operation, or not for this caller
	Unauthenticated   = call.Unauthenticated   // the credential does not verify
	Forbidden         = call.Forbidden         // the identity lacks a scope or a resource
	InvalidInput      = call.InvalidInput      // the input does not match the operation's schema
	Internal          = call.Internal          // the handler failed
	Timeout           = call.Timeout           // the timeout passed; the operation may have run
	Aborted           = call.Aborted           // one side stopped the request
	Unavailable       = call.Unavailable       // the session ended; the operation may have run
	ResourceExhausted = call.ResourceExhausted // a limit was reached
	Conflict          = call.Conflict          // the state does not allow it
	Unimplemented     = call.Unimplemented     // known, but not offered
	ProtocolError     = call.ProtocolError     // the peer broke the protocol
)

// PinMismatchError is in the chain of Connect's error when the server has another key than
// the address pins. Fields: Want and Got, of type ed25519.PublicKey.
type PinMismatchError = transport.PinMismatchError

// RefusedError is in the chain of Connect's error when the server has refused the node's
// key.
type RefusedError = transport.RefusedError

// CodeOf returns the code of the *[Error] in err's chain, [Timeout] or [Aborted] for the
// errors of package context, else [Internal].
func CodeOf(err error) Code { return call.CodeOf(err) }

// Sent reports whether the request that err ended may have run. It is false where the
// request never left this node, and may be made again whatever it does.
func Sent(err error) bool { return call.Sent(err) }

// Errorf makes an *Error whose Retryable is that of its code. A cause given with %w can be
// unwrapped on this node; its text is part of the message.
func Errorf(code Code, format string, args ...any) *Error { return call.Errorf(code, format, args...) }

// ErrorDetails decodes the details of an *[Error] with the code from err's chain. ok is
// false when there is no such error or its details do not fit T.
func ErrorDetails[T any](err error, code Code) (details T, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.Code != code || len(e.Details) == 0 {
		return details, false
	}
	if json.Unmarshal(e.Details, &details) != nil {
		var zero T
		return zero, false
	}
	return details, true
}
