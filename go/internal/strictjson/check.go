// Package strictjson reads JSON texts that decide something. A text that two readers
// could understand differently is refused: a member's name that is there twice (after
// unescaping, at any depth), half of a surrogate pair, a number that no double holds,
// bytes that are no UTF-8, a second value. Names match exactly.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxDepth bounds how deep objects and arrays lie in each other.
const MaxDepth = 10_000

// ErrSyntax is the error for a text that is not JSON (RFC 8259).
var ErrSyntax = errors.New("not valid JSON")

// maxText bounds a text: a Document counts in 28 bits.
const maxText = 1<<28 - 1

var (
	errUTF8      = errors.New("not UTF-8")
	errSurrogate = errors.New("a text has half of a surrogate pair")
	errDepth     = fmt.Errorf("objects and arrays lie more than %d deep in each other", MaxDepth)
	errSecond    = errors.New("more than one JSON value")
)

// Error says what is wrong with a text, and where.
type Error struct {
	Offset int // bytes
	Err    error
}

// Error returns the text.
func (e *Error) Error() string { return fmt.Sprintf("%v, at byte %d", e.Err, e.Offset) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// seed keeps a peer from choosing names with one hash.
var seed = maphash.MakeSeed()

// name is a member's name in an object that is open.
type name struct {
	hash uint64
	from int // of its quote
}

type checker struct {
	text   []byte
	pos    int
	values int // values and names
	names  []name
	open   []int32 // per level: the first of its names; -1 is an array
	buf    []byte
}

// Check reports what is wrong with text, or nil. It takes n·log n for n bytes, keeps
// 16 bytes for each member of the objects that are open, and does not recurse.
func Check(text []byte) error {
	_, err := count(text)
	return err
}

// count is Check that also counts the values and the names.
func count(text []byte) (int, error) {
	if len(text) > maxText {
		return 0, errors.New("longer than 256 MiB")
	}
	if !utf8.Valid(text) {
		return 0, errUTF8
	}
	c := checker{text: text}
	if err := c.value(); err != nil {
		return 0, &Error{c.pos, err}
	}
	c.space()
	if c.pos != len(text) {
		return 0, &Error{c.pos, errSecond}
	}
	return c.values, nil
}

func (c *checker) space() { c.pos = skipSpace(c.text, c.pos) }

func skipSpace(text []byte, pos int) int {
	for pos < len(text) && (text[pos] == ' ' || text[pos] == '\n' || text[pos] == '\r' || text[pos] == '\t') {
		pos++
	}
	return pos
}

// at returns the next byte that is no space, or 0.
func (c *checker) at() byte {
	c.space()
	if c.pos >= len(c.text) {
		return 0
	}
	return c.text[c.pos]
}

func (c *checker) value() error {
	for {
		c.values++
		switch b := c.at(); b {
		case '{', '[':
			c.pos++
			if len(c.open) >= MaxDepth {
				return errDepth
			}
			first := int32(-1)
			if b == '{' {
				first = int32(len(c.names))
			}
			c.open = append(c.open, first)
			if c.at() != b+2 { // '}' and ']' stand two behind their openers
				if b == '{' {
					if err := c.member(); err != nil {
						return err
					}
				}
				continue
			}
			c.pos++
			c.open = c.open[:len(c.open)-1]
		case '"':
			if _, err := c.str(); err != nil {
				return err
			}
		case 't', 'f', 'n':
			word := literal(b)
			if !bytes.HasPrefix(c.text[c.pos:], word) {
				return ErrSyntax
			}
			c.pos += len(word)
		default:
			if err := c.number(); err != nil {
				return err
			}
		}
		more, err := c.ended()
		if !more {
			return err
		}
	}
}

// ended closes what the value before it completes, and reports whether another follows.
func (c *checker) ended() (bool, error) {
	for len(c.open) > 0 {
		first := c.open[len(c.open)-1]
		b := c.at()
		switch {
		case b == ',':
			c.pos++
			if first >= 0 {
				if err := c.member(); err != nil {
					return false, err
				}
			}
			return true, nil
		case b == ']' && first < 0:
		case b == '}' && first >= 0:
			if err := c.unique(c.names[first:]); err != nil {
				return false, err
			}
			c.names = c.names[:first]
		default:
			return false, ErrSyntax
		}
		c.pos++
		c.open = c.open[:len(c.open)-1]
	}
	return false, nil
}

var trueText, falseText, nullText = []byte("true"), []byte("false"), []byte("null")

// literal returns the word that begins with b.
func literal(b byte) []byte {
	switch b {
	case 't':
		return trueText
	case 'f':
		return falseText
	}
	return nullText
}

// member steps over a name and its colon, and remembers the name.
func (c *checker) member() error {
	if c.at() != '"' {
		return ErrSyntax
	}
	c.values++
	from := c.pos
	escaped, err := c.str()
	if err != nil {
		return err
	}
	raw := c.text[from+1 : c.pos-1]
	if escaped {
		c.buf = appendUnescaped(c.buf[:0], raw)
		raw = c.buf
	}
	c.names = append(c.names, name{maphash.Bytes(seed, raw), from})
	if c.at() != ':' {
		return ErrSyntax
	}
	c.pos++
	return nil
}

// unique reports a name that is there twice. It changes the order of the names.
func (c *checker) unique(names []name) error {
	slices.SortFunc(names, func(a, b name) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return a.from - b.from
	})
	for i := 1; i < len(names); i++ {
		// Hashes are seeded: of two names with one hash only few are different, so that
		// looking at the neighbour alone could miss one in 2^64.
		if names[i].hash != names[i-1].hash {
			continue
		}
		a, b := unquoted(c.text, names[i-1].from), unquoted(c.text, names[i].from)
		if bytes.Equal(a, b) {
			c.pos = names[i].from
			return fmt.Errorf("the member %s is there twice", Quote(string(a), 80))
		}
	}
	return nil
}

// str steps over a string and reports whether it has escapes.
func (c *checker) str() (escaped bool, err error) {
	c.pos++
	for c.pos < len(c.text) {
		switch b := c.text[c.pos]; {
		case b == '"':
			c.pos++
			return escaped, nil
		case b < 0x20:
			return false, ErrSyntax
		case b != '\\':
			c.pos++
		default:
			escaped = true
			if err := c.escape(); err != nil {
				return false, err
			}
		}
	}
	return false, ErrSyntax
}

func (c *checker) escape() error {
	if c.pos+1 >= len(c.text) {
		return ErrSyntax
	}
	switch c.text[c.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.pos += 2
		return nil
	case 'u':
	default:
		return ErrSyntax
	}
	unit, ok := hex4(c.text, c.pos+2)
	if !ok {
		return ErrSyntax
	}
	switch {
	case unit >= 0xdc00 && unit < 0xe000:
		return errSurrogate
	case unit >= 0xd800 && unit < 0xdc00:
		next := c.pos + 6
		if next+1 >= len(c.text) || c.text[next] != '\\' || c.text[next+1] != 'u' {
			return errSurrogate
		}
		low, ok := hex4(c.text, next+2)
		if !ok {
			return ErrSyntax
		}
		if low < 0xdc00 || low >= 0xe000 {
			return errSurrogate
		}
		c.pos += 6
	}
	c.pos += 6
	return nil
}

func hex4(text []byte, at int) (n rune, ok bool) {
	if at+4 > len(text) {
		return 0, false
	}
	for _, b := range text[at : at+4] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | rune(b)
	}
	return n, true
}

func (c *checker) digits() bool {
	from := c.pos
	for c.pos < len(c.text) && c.text[c.pos] >= '0' && c.text[c.pos] <= '9' {
		c.pos++
	}
	return c.pos > from
}

func (c *checker) is(b byte) bool {
	if c.pos < len(c.text) && c.text[c.pos] == b {
		c.pos++
		return true
	}
	return false
}

// plainDigits is how many characters a number without an exponent may have to be a
// double for sure.
const plainDigits = 300

func (c *checker) number() error {
	from := c.pos
	c.is('-')
	if !c.is('0') && !c.digits() {
		return ErrSyntax
	}
	if c.is('.') && !c.digits() {
		return ErrSyntax
	}
	exponent := c.is('e') || c.is('E')
	if exponent {
		if !c.is('+') {
			c.is('-')
		}
		if !c.digits() {
			return ErrSyntax
		}
	}
	if !exponent && c.pos-from <= plainDigits {
		return nil
	}
	if n, err := strconv.ParseFloat(string(c.text[from:c.pos]), 64); err != nil || math.IsInf(n, 0) {
		c.pos = from
		return errors.New("the number is larger than any double")
	}
	return nil
}

// Quote gives s for a message: quoted, and cut to a number of characters.
func Quote(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return strconv.Quote(s[:i]) + "…"
		}
		n++
	}
	return strconv.Quote(s)
}
