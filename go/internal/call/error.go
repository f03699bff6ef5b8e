package call

import (
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
	if len(e.Details) > 0 && json.Valid(e.Details) {
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
	var raw struct {
		Code      Code            `json:"code"`
		Message   string          `json:"message"`
		Retryable bool            `json:"retryable"`
		Details   json.RawMessage `json:"details"`
	}
	if err := json.Unmarshal(payload, &raw); err != nil || !codePattern.MatchString(string(raw.Code)) {
		return Errorf(Internal, "the other node answered with an error that has no code")
	}
	return &Error{Code: raw.Code, Message: raw.Message, Retryable: raw.Retryable, Details: raw.Details}
}

// ParseError reads an error object, as a handler of another language gives it.
func ParseError(payload []byte) *Error { return parseError(payload) }

// public returns what may be told to the caller of a handler that returned err:
// an *Error as it is, the end of a context by its code, and nothing of the rest.
func public(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(Timeout, "the operation did not finish in time")
	case errors.Is(err, context.Canceled):
		return Errorf(Aborted, "the operation was stopped")
	}
	return Errorf(Internal, "the operation failed; its node has logged why")
}
