package atomicfile

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// TextError is what keeps bytes from being text.
type TextError struct {
	Line   int // from 1; 0 where it is about the whole
	Reason string
}

// Error gives the reason, with its line if it has one.
func (e *TextError) Error() string {
	if e.Line == 0 {
		return "the text " + e.Reason
	}
	return fmt.Sprintf("line %d %s", e.Line, e.Reason)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// WithoutMark skips a UTF-8 byte order mark, and refuses UTF-16 and UTF-32: what editors
// and shells of some systems write without being asked.
func WithoutMark(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, &TextError{0, "is in UTF-16: save it as UTF-8"}
	}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		if at < 4 && len(data) > 1 {
			return nil, &TextError{0, "has NUL bytes, as UTF-16 or UTF-32: save it as UTF-8"}
		}
		return nil, &TextError{lineOf(data, at), "has a NUL byte"}
	}
	return data, nil
}

// Text checks that data is UTF-8 whose only control characters are TAB, LF and CR before
// LF, and returns it without a byte order mark. A lone CR ends a line for some readers
// and not for others, so that it could hide what follows. An error is a *TextError.
func Text(data []byte) ([]byte, error) {
	data, err := WithoutMark(data)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			return nil, &TextError{lineOf(data, at), "is not UTF-8"}
		case r == '\r' && at+1 < len(data) && data[at+1] == '\n':
		case r == '\r':
			return nil, &TextError{lineOf(data, at), "has a carriage return that ends no line: end lines with LF or CRLF"}
		case r < ' ' && r != '\t' && r != '\n', r >= 0x7f && r < 0xa0:
			return nil, &TextError{lineOf(data, at), fmt.Sprintf("has the control character U+%04X", r)}
		}
		at += size
	}
	return data, nil
}

func lineOf(data []byte, at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }
