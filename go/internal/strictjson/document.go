package strictjson

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	False
	True
	Number
	String
	Array
	Object
)

// NodeSize is what a document keeps for each value and each name, in bytes.
const NodeSize = 12

// node is one value or one name. The values of an array, and the names and values of an
// object in turn, follow their parent.
type node struct {
	from uint32 // in the text
	next uint32 // the node after this one and all in it
	meta uint32 // kind in the upper 4 bits; how many members or items are in the rest
}

// Document is a text with an index of its values: 12 bytes for each, and no copy.
type Document struct {
	text  []byte
	nodes []node
}

// Measure checks a text and returns how many bytes its Document keeps beside it.
func Measure(text []byte) (int, error) {
	n, err := count(text)
	return n * NodeSize, err
}

// Index makes the Document of a text that Measure has accepted; size is what it said.
// The text must not change while the Document is used.
func Index(text []byte, size int) *Document {
	d := &Document{text: text, nodes: make([]node, 0, size/NodeSize)}
	var open []uint32
	pos := 0
	for {
		pos = skipSpace(text, pos)
		if pos >= len(text) {
			return d
		}
		b := text[pos]
		switch b {
		case ',', ':':
			pos++
			continue
		case '}', ']':
			pos++
			top := open[len(open)-1]
			open = open[:len(open)-1]
			d.nodes[top].next = uint32(len(d.nodes))
			if b == '}' {
				d.nodes[top].meta -= (d.nodes[top].meta & countMask) / 2 // names were counted too
			}
			continue
		}
		if len(open) > 0 {
			d.nodes[open[len(open)-1]].meta++
		}
		at := uint32(len(d.nodes))
		n := node{from: uint32(pos), next: at + 1}
		switch b {
		case '{', '[':
			kind := Array
			if b == '{' {
				kind = Object
			}
			n.meta = uint32(kind) << countBits
			open = append(open, at)
			pos++
		case '"':
			n.meta = uint32(String) << countBits
			pos = endOfString(text, pos)
		case 't', 'f', 'n':
			kind := Null
			if b == 't' {
				kind = True
			} else if b == 'f' {
				kind = False
			}
			n.meta = uint32(kind) << countBits
			pos += len(literal(b))
		default:
			n.meta = uint32(Number) << countBits
			pos = endOfNumber(text, pos)
		}
		d.nodes = append(d.nodes, n)
	}
}

const (
	countBits = 28
	countMask = 1<<countBits - 1
)

// Parse is Measure and Index.
func Parse(text []byte) (*Document, error) {
	size, err := Measure(text)
	if err != nil {
		return nil, err
	}
	return Index(text, size), nil
}

func endOfString(text []byte, pos int) int {
	for pos++; text[pos] != '"'; pos++ {
		if text[pos] == '\\' {
			pos++
		}
	}
	return pos + 1
}

func endOfNumber(text []byte, pos int) int {
	for pos < len(text) && strings.IndexByte("+-.eE0123456789", text[pos]) >= 0 {
		pos++
	}
	return pos
}

// Len returns how many nodes there are.
func (d *Document) Len() int { return len(d.nodes) }

// Size returns how many bytes the text has.
func (d *Document) Size() int { return len(d.text) }

// Kind returns what node i is.
func (d *Document) Kind(i int) Kind { return Kind(d.nodes[i].meta >> countBits) }

// Count returns how many members or items node i has.
func (d *Document) Count(i int) int { return int(d.nodes[i].meta & countMask) }

// Next returns the node after i and all in it.
func (d *Document) Next(i int) int { return int(d.nodes[i].next) }

// Bytes returns a string's characters; a part of the text where it has no escapes.
func (d *Document) Bytes(i int) []byte { return unquoted(d.text, int(d.nodes[i].from)) }

// Float returns a number.
func (d *Document) Float(i int) float64 {
	from := int(d.nodes[i].from)
	n, _ := strconv.ParseFloat(string(d.text[from:endOfNumber(d.text, from)]), 64)
	return n + 0 // -0 is 0
}

// unquoted returns the string at from.
func unquoted(text []byte, from int) []byte {
	raw := text[from+1 : endOfString(text, from)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	return appendUnescaped(nil, raw)
}

// appendUnescaped decodes what is between the quotes of a string that was checked.
func appendUnescaped(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			unit, _ := hex4(raw, 0)
			raw = raw[4:]
			if unit >= 0xd800 && unit < 0xe000 {
				low, _ := hex4(raw, 2)
				unit = (unit-0xd800)<<10 + (low - 0xdc00) + 0x10000
				raw = raw[6:]
			}
			dst = utf8.AppendRune(dst, unit)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// Number returns a number's text.
func (d *Document) Number(i int) []byte {
	from := int(d.nodes[i].from)
	return d.text[from:endOfNumber(d.text, from)]
}
