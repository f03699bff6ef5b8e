package wire

import (
	"encoding/binary"
	"math/bits"
)

// scanner walks a JSON text (RFC 8259) without decoding or copying anything.
type scanner struct {
	data []byte
	pos  int
	deep bool // it is nested more deeply than MaxDepth
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t'
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

// value steps over one JSON value. It is iterative: depth costs a bit, not a
// stack frame, so that a stranger's nesting cannot grow the stack.
func (s *scanner) value() bool {
	var nest bitStack
	for {
		s.skipSpace()
		if s.pos >= len(s.data) {
			return false
		}
		switch c := s.data[s.pos]; c {
		case '{', '[':
			s.pos++
			if nest.depth >= MaxDepth-1 { // the object around the value is the first level
				s.deep = true
				return false
			}
			nest.push(c == '{')
			s.skipSpace()
			if s.pos >= len(s.data) {
				return false
			}
			if s.data[s.pos] == c+2 { // '}' and ']' stand two behind their openers
				s.pos++
				nest.pop()
				break
			}
			if c == '{' && !s.memberName() {
				return false
			}
			continue
		case '"':
			if !s.str() {
				return false
			}
		case 't':
			if !s.literal("true") {
				return false
			}
		case 'f':
			if !s.literal("false") {
				return false
			}
		case 'n':
			if !s.literal("null") {
				return false
			}
		default:
			if !s.number() {
				return false
			}
		}
		// A value has ended: close what it completes, or go on to its sibling.
		for {
			if nest.depth == 0 {
				return true
			}
			s.skipSpace()
			if s.pos >= len(s.data) {
				return false
			}
			c := s.data[s.pos]
			s.pos++
			if c == ',' {
				if nest.top() && !s.memberName() {
					return false
				}
				break
			}
			if nest.top() && c != '}' || !nest.top() && c != ']' {
				return false
			}
			nest.pop()
		}
	}
}

// memberName steps over a member's name and its colon.
func (s *scanner) memberName() bool {
	s.skipSpace()
	if s.pos >= len(s.data) || s.data[s.pos] != '"' || !s.str() {
		return false
	}
	s.skipSpace()
	if s.pos >= len(s.data) || s.data[s.pos] != ':' {
		return false
	}
	s.pos++
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str steps over a string; s.pos is at its opening quote. UTF-8 is checked
// elsewhere, for the whole frame at once.
func (s *scanner) str() bool {
	s.pos++
	for {
		// Eight bytes at a time while none is a quote, a backslash or a control character.
		for s.pos+8 <= len(s.data) {
			w := binary.LittleEndian.Uint64(s.data[s.pos:])
			quote := w ^ (ones * '"')
			slash := w ^ (ones * '\\')
			hit := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - ones*0x20) &^ w)
			if hit &= highs; hit != 0 {
				s.pos += bits.TrailingZeros64(hit) / 8
				break
			}
			s.pos += 8
		}
		if s.pos >= len(s.data) {
			return false
		}
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < 0x20:
			return false
		default:
			s.pos++
		}
	}
}

func (s *scanner) escape() bool {
	if s.pos+1 >= len(s.data) {
		return false
	}
	switch s.data[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return true
	case 'u':
		if s.pos+6 > len(s.data) {
			return false
		}
		for _, c := range s.data[s.pos+2 : s.pos+6] {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return false
			}
		}
		s.pos += 6
		return true
	}
	return false
}

func (s *scanner) literal(word string) bool {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

func (s *scanner) number() bool {
	if s.pos < len(s.data) && s.data[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		return s.digits()
	}
	return true
}

// bitStack remembers for each open level whether it is an object; the first 64
// levels, which is all that honest payloads have, cost no allocation.
type bitStack struct {
	low   uint64
	high  []uint64
	depth int
}

func (b *bitStack) push(object bool) {
	if b.depth > 0 && b.depth%64 == 0 {
		b.high = append(b.high, b.low)
		b.low = 0
	}
	b.low <<= 1
	if object {
		b.low |= 1
	}
	b.depth++
}

func (b *bitStack) top() bool { return b.low&1 == 1 }

func (b *bitStack) pop() {
	b.depth--
	b.low >>= 1
	if b.depth > 0 && b.depth%64 == 0 {
		b.low = b.high[len(b.high)-1]
		b.high = b.high[:len(b.high)-1]
	}
}
