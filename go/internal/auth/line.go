package auth

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// LineError is what is wrong with one line of a file.
type LineError struct {
	File string
	Line int // from 1; 0 where it is about the whole file
	Err  error
}

// Error gives "file:line: what is wrong".
func (e *LineError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

// LineErrors are all lines of a file that cannot be read.
type LineErrors []*LineError

// Error gives the errors, a line each.
func (e LineErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors one by one.
func (e LineErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// err is e as an error, nil without any.
func (e LineErrors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// keyLines gives the lines of a file of keys that hold something, with their numbers. A
// line ends with LF or CRLF. Lines with other control characters are added to bad: the
// SSH library would end a line at a CR, and so pass over the rest.
func keyLines(file string, data []byte, bad *LineErrors) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		data, err := withoutUTF16(data)
		if err != nil {
			*bad = append(*bad, &LineError{file, 0, err})
			return
		}
		for i, line := range bytes.Split(data, []byte("\n")) {
			line = bytes.TrimSuffix(line, []byte("\r"))
			if err := checkLine(line); err != nil {
				*bad = append(*bad, &LineError{file, i + 1, err})
				continue
			}
			line = bytes.TrimSpace(line)
			if len(line) > 0 && line[0] != '#' && !yield(i+1, line) {
				return
			}
		}
	}
}

// withoutUTF16 skips a byte order mark. NUL bytes are an error of their line, unless the
// encoding explains them.
func withoutUTF16(data []byte) ([]byte, error) {
	text, err := atomicfile.WithoutMark(data)
	var bad *atomicfile.TextError
	switch {
	case errors.As(err, &bad) && bad.Line > 0:
		return bytes.TrimPrefix(data, []byte("\ufeff")), nil
	case err != nil:
		return nil, err
	}
	return text, nil
}

// checkLine refuses bytes that are no text, and control characters but TAB.
func checkLine(line []byte) error {
	_, err := atomicfile.Text(line)
	var bad *atomicfile.TextError
	if errors.As(err, &bad) {
		return errors.New("the line " + bad.Reason)
	}
	return err
}

// oneLine returns the one line that text is, without its end.
func oneLine(text string) ([]byte, error) {
	line, err := atomicfile.WithoutMark([]byte(text))
	if err != nil {
		return nil, err
	}
	line = bytes.TrimSpace(line)
	if bytes.ContainsRune(line, '\n') {
		return nil, errors.New("want one line alone")
	}
	return line, checkLine(line)
}

// CheckComment refuses a comment of a key that is not one line of printable text: it is
// written to files of lines, and shown.
func CheckComment(comment string) error {
	if !utf8.ValidString(comment) {
		return errors.New("a key's comment must be UTF-8")
	}
	for _, r := range comment {
		if unprintable(r) {
			return fmt.Errorf("a key's comment must be one line of printable text, and has the character U+%04X", r)
		}
	}
	if strings.TrimSpace(comment) != comment {
		return errors.New("a key's comment may not begin or end with a space")
	}
	return nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
