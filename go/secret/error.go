package secret

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is. The set is closed.
type Code string

// The codes of this package.
const (
	Locked            Code = "LOCKED"              // the store is locked, or was locked since the handle was made
	AlreadyUnlocked   Code = "ALREADY_UNLOCKED"    // the store is unlocked; lock it first
	Closed            Code = "CLOSED"              // the store was closed for good
	MemoryLock        Code = "MEMORY_LOCK"         // memory could not be had, or not be locked where that is required
	InvalidMnemonic   Code = "INVALID_MNEMONIC"    // word count, a word or the checksum is wrong
	InvalidPath       Code = "INVALID_PATH"        // not a derivation path, or not one for this kind of key
	InvalidInput      Code = "INVALID_INPUT"       // another argument is wrong
	DecryptionFailed  Code = "DECRYPTION_FAILED"   // wrong key or altered data; which of them is never said
	UnknownKeyVersion Code = "UNKNOWN_KEY_VERSION" // no sealing key has this version
	NotExportable     Code = "NOT_EXPORTABLE"      // the store was opened without the door out
	ResourceExhausted Code = "RESOURCE_EXHAUSTED"  // a sealing key is used up
)

// Error is the only kind of error that this package returns. Neither it nor
// anything that it wraps holds a secret: it may be logged and sent to strangers.
type Error struct {
	Code    Code
	Message string // lower case, no full stop
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is match an Error of the same code when the target carries a
// code alone, as in errors.Is(err, &secret.Error{Code: secret.Locked}).
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
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// errDecryption is every failure to open sealed data, so that none can be told
// from another.
var errDecryption = &Error{Code: DecryptionFailed, Message: "the data cannot be opened: the key is wrong, or the data was changed"}
