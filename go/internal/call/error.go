package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Error is a failure of the call protocol, local or sent by the other side. Its
// message travels to the peer when a handler returns it: write it for strangers.
type Error struct {
	Code      Code
	Message   string
	Retryable bool
	Details   json.RawMessage // optional, JSON
	cause     error           // local only, never sent
	unsent    bool            // the request that it ended never left this node; never sent either
}

// unsent is err as the end of a request that never left this node.
func unsent(err *Error) *Error {
	local := *err
	local.unsent = true
	return &local
}

// Sent reports whether the request that err ended may have run: it is false where the
// request never left this node.
func Sent(err error) bool {
	var e *Error
	return !errors.As(err, &e) || !e.unsent
}

// Errorf makes an Error whose retryability is that of its code. A %w cause can be
// unwrapped locally; its text is part of the message.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Retryable: code.Retryable(), cause: errors.Unwrap(err)}
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the local cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is match two Errors of the same code when the target carries a
// code alone, as in errors.Is(err, &call.Error{Code: call.NotFound}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Message == "" && t.Code == e.Code
}

// CodeOf returns the code of the *Error in err's chain, Timeout and Aborted for
// the context package's errors, or Internal.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Aborted
	}
	return Internal
}

// AppendJSON appends the error object {"code","message","retryable","details"?}.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = wire.AppendText(dst, string(e.Code))
	dst = append(dst, `,"message":`...)
	dst = wire.AppendText(dst, e.Message)
	if e.Retryable {
		dst = append(dst, `,"retryable":true`...)
	} else {
		dst = append(dst, `,"retryable":false`...)
	}
	if len(e.Details) > 0 && json.Valid(e.Details) && !wire.TooDeep(e.Details) {
		dst = append(dst, `,"details":`...)
		dst = append(dst, e.Details...)
	}
	return append(dst, '}')
}

// MarshalJSON returns the error object.
func (e *Error) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// parseError reads an error object of the other side. A malformed one is an
// INTERNAL error rather than a reason to distrust the session.
func parseError(payload []byte) *Error {
	var e Error
	ok := true
	var names wire.Names
	whole := wire.Members(payload, func(name, value []byte) {
		switch string(name) {
		case "code":
			var code string
			code, _ = wire.Text(value)
			e.Code = Code(code)
			ok = ok && names.Add(name)
		case "message":
			_ = json.Unmarshal(value, &e.Message)
		case "retryable":
			e.Retryable = string(value) == "true"
		case "details":
			e.Details = nil
			if string(value) != "null" {
				e.Details = bytes.Clone(value)
			}
		}
	})
	if !whole || !ok || !isCode(string(e.Code)) {
		return Errorf(Internal, "the other node answered with an error that has no code")
	}
	return &e
}

// checkShape says what is wrong with the payload of an answer, as far as a node that
// sends it on reads it: the caller must be able to rely on that much.
func checkShape(env wire.Envelope) *Error {
	switch {
	case env.Payload[0] != '{':
		return Errorf(Internal, "the other node answered with what is not an object")
	case env.Type == wire.Failed && !hasCode(env.Payload):
		return Errorf(Internal, "the other node answered with an error that has no code")
	}
	return nil
}

func hasCode(payload []byte) bool {
	n, ok := 0, false
	wire.Members(payload, func(name, value []byte) {
		if string(name) == "code" {
			code, text := wire.Text(value)
			n, ok = n+1, text && isCode(code)
		}
	})
	return n == 1 && ok
}

// maxCode bounds a code, in bytes.
const maxCode = 64

// isCode reports whether code matches [A-Z][A-Z0-9_]{0,63}.
func isCode(code string) bool {
	if code == "" || len(code) > maxCode || code[0] < 'A' || code[0] > 'Z' {
		return false
	}
	for i := range len(code) {
		if c := code[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// ParseError reads an error object, as a handler of another language gives it.
func ParseError(payload []byte) *Error { return parseError(payload) }

// public returns what may be told to the caller of a handler that returned err:
// an *Error as it is, the end of a context by its code, and nothing of the rest.
func public(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e) && isCode(string(e.Code)):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(Timeout, "the operation did not finish in time")
	case errors.Is(err, context.Canceled):
		return Errorf(Aborted, "the operation was stopped")
	}
	return Errorf(Internal, "the operation failed; its node has logged why")
}
