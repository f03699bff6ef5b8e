package credential

import (
	"errors"
	"fmt"

	"github.com/alkdev/alknet/go/secret"
)

// Code says what kind of failure an Error is.
type Code string

// The codes of this package; those of a store that was asked are its own.
const (
	Locked            Code = "LOCKED"             // the store is locked: unlock it
	NotFound          Code = "NOT_FOUND"          // there is no credential for the service
	Conflict          Code = "CONFLICT"           // there is one already
	InvalidInput      Code = "INVALID_INPUT"      // an argument is wrong, or a file is no credential
	DecryptionFailed  Code = "DECRYPTION_FAILED"  // a file does not open: sealed with another phrase, or changed
	ResourceExhausted Code = "RESOURCE_EXHAUSTED" // a limit of this package was reached
	Unavailable       Code = "UNAVAILABLE"        // the folder, or the store's process, cannot be reached
)

// Error is the kind of error that this package returns. It may name a service and a
// file, and holds no secret and nothing of what a file contains. It is for the node's
// owner, not for callers: a handler that returns it answers INTERNAL.
type Error struct {
	Code    Code
	Message string // lower case, no full stop
	cause   error
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns what the system said, if anything.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is match an Error of the same code when the target carries a code
// alone, as in errors.Is(err, &credential.Error{Code: credential.Locked}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Message == "" && t.Code == e.Code
}

// CodeOf returns the code of the *Error in err's chain, or "" when there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// ofStore gives an error of a sealer as one of this package. The failure to open says
// what may be the matter with the file.
func ofStore(err error, file string) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	switch code := secret.CodeOf(err); code {
	case "":
		return errorf(Unavailable, "the secret store cannot be asked: %w", err)
	case secret.Locked:
		return errorf(Locked, "the secret store is locked: unlock it first")
	case secret.DecryptionFailed, secret.UnknownKeyVersion:
		return errorf(DecryptionFailed, "%s does not open: it was sealed with another phrase or passphrase than the store's, or it was changed", file)
	default:
		var e *secret.Error
		errors.As(err, &e)
		return errorf(Code(code), "%s", e.Message)
	}
}
