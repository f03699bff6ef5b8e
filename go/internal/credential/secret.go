package credential

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands for a secret wherever one is printed.
const redacted = "[redacted]"

// Secret is a secret part of a Value: bytes that Bytes alone tells. Whatever prints or
// marshals one shows that it is there, not what it is. Its zero value is no secret.
// A copy of a Secret is the same memory.
type Secret struct {
	// A function: where fmt meets a Secret that it cannot ask, in an unexported field,
	// it prints an address. It follows pointers, for verbs that do not fit.
	at func() *[]byte
}

// NewSecret makes a Secret of bytes, which belong to it from then on.
func NewSecret(b []byte) Secret { return Secret{func() *[]byte { return &b }} }

// Bytes returns the secret itself, not a copy: it is gone after Wipe. nil when there
// is none.
func (s Secret) Bytes() []byte {
	if s.at == nil {
		return nil
	}
	return *s.at()
}

// Wipe zeroes the secret and forgets it.
func (s Secret) Wipe() {
	if s.at != nil {
		at := s.at()
		clear((*at)[:cap(*at)])
		*at = nil
	}
}

// IsZero reports whether there is no secret, or an empty one.
func (s Secret) IsZero() bool { return len(s.Bytes()) == 0 }

func (s Secret) clone() Secret {
	if s.at == nil {
		return Secret{}
	}
	return NewSecret(bytes.Clone(*s.at()))
}

func (s Secret) shown() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// String, GoString, Format, LogValue, MarshalText and MarshalJSON tell whether there
// is a secret, and not what it is.
func (s Secret) String() string { return s.shown() }

// GoString is String.
func (s Secret) GoString() string { return s.shown() }

// Format writes String, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown()) }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.shown()) }

// MarshalText is String, for encodings of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

// MarshalJSON is String in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.shown() + `"`), nil }
