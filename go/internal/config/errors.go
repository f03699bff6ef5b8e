package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Origin is where a value came from: a place in a file, or what else Source names.
// The zero value is a default.
type Origin struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 is unknown
	Column int    `json:"column,omitempty"` // in characters, from 1
	Source string `json:"source,omitempty"` // "ALKNET_NODE_NAME" or "--name"
}

// String gives "file:line:column", the source's name, or "default".
func (o Origin) String() string {
	switch {
	case o.File != "" && o.Line > 0:
		return fmt.Sprintf("%s:%d:%d", o.File, o.Line, o.Column)
	case o.File != "":
		return o.File
	case o.Source != "":
		return o.Source
	}
	return "default"
}

// Error is one thing that is wrong with a configuration.
type Error struct {
	Origin
	Key        string `json:"key,omitempty"` // such as "auth.keys[1].public_key"; "" where the file cannot be read as TOML
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"` // the key that was probably meant
}

// Error gives "file:line:column: key: message".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Origin != (Origin{}) {
		b.WriteString(e.Origin.String() + ": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Message)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, ": did you mean %q?", e.Suggestion)
	}
	return b.String()
}

// Errors is everything that is wrong with a configuration, in the order of the file.
type Errors []*Error

// Error gives one error a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors one by one.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, err := range e {
		all[i] = err
	}
	return all
}

// sorted puts the errors in the order of the file, and returns nil as an error where
// there are none.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}

// AsErrors returns every configuration error in err's tree, and false where there is
// none.
func AsErrors(err error) (Errors, bool) {
	var all Errors
	if errors.As(err, &all) {
		return all, true
	}
	var one *Error
	if errors.As(err, &one) {
		return Errors{one}, true
	}
	return nil, false
}

// Origin returns where the value of a key came from; a part of an array that was set
// as a whole has the array's.
func (c *Config) Origin(key string) Origin {
	for {
		if origin, ok := c.origins[key]; ok {
			return origin
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return Origin{}
		}
		key = key[:cut]
	}
}

// Errorf makes an error about the value of a key, placed where that came from. A %w
// cause is part of the message.
func (c *Config) Errorf(key, format string, args ...any) *Error {
	origin := c.Origin(key)
	if origin.Source == optionsSource {
		key = camelCase(key)
	}
	return &Error{Origin: origin, Key: key, Message: fmt.Errorf(format, args...).Error()}
}
