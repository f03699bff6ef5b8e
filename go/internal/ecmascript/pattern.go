// Package ecmascript has the regular expressions of ECMA-262 with the u flag, as the
// keyword pattern of JSON Schema has them. Whether a text matches is all it tells.
// A pattern without look-around and back references goes to the package regexp, which
// takes linear time. Others are matched by backtracking, with a bound on the work.
package ecmascript

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrWork is the error for a match that takes too much work, or is not wanted any more.
var ErrWork = errors.New("the pattern takes too much work")

// Work bounds the matches that share it.
type Work struct {
	Steps int64       // that are left
	Stop  func() bool // whether to give up; may be nil
}

// Pattern is a compiled pattern. It is safe for concurrent use.
type Pattern struct {
	text    string
	linear  *regexp.Regexp // or nil
	program *program
}

// maxText bounds the text of a pattern, in bytes.
const maxText = 16 << 10

// Compile makes a pattern of its text.
func Compile(text string) (*Pattern, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("the pattern has more than %d bytes", maxText)
	}
	n, p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("the pattern %.80q is not one of ECMA-262 with the u flag: %w", text, err)
	}
	out := &Pattern{text: text}
	if p.plain {
		var b strings.Builder
		translate(&b, n)
		if linear, err := regexp.Compile(b.String()); err == nil {
			out.linear = linear
			return out, nil
		}
	}
	if out.program, err = compile(n, p.groups, len(p.backs) > 0); err != nil {
		return nil, fmt.Errorf("the pattern %.80q: %w", text, err)
	}
	return out, nil
}

// String returns the text of the pattern.
func (p *Pattern) String() string { return p.text }

// MatchString reports whether any part of s matches, as far as the work of one short
// text goes.
func (p *Pattern) MatchString(s string) bool {
	ok, _ := p.Match([]byte(s), &Work{Steps: 1 << 20})
	return ok
}

// Match reports whether any part of text, which is UTF-8, matches.
func (p *Pattern) Match(text []byte, w *Work) (bool, error) {
	if w.Steps -= int64(len(text)) / 8; w.Steps < 0 {
		return false, ErrWork
	}
	if p.linear != nil {
		return p.linear.Match(text), nil
	}
	return p.program.match(text, w)
}

// translate writes a pattern as the package regexp has it.
func translate(b *strings.Builder, n *node) {
	switch n.op {
	case opSet:
		b.WriteByte('[')
		if len(n.set) == 0 {
			b.WriteString(`^\x{0}-\x{10FFFF}`)
		}
		for i := 0; i < len(n.set); i += 2 {
			fmt.Fprintf(b, `\x{%X}-\x{%X}`, n.set[i], n.set[i+1])
		}
		b.WriteByte(']')
	case opStart:
		b.WriteString(`\A`)
	case opEnd:
		b.WriteString(`\z`)
	case opWord:
		if n.not {
			b.WriteString(`\B`)
		} else {
			b.WriteString(`\b`)
		}
	case opRepeat:
		translate(b, &node{op: opCat, subs: n.subs})
		switch {
		case n.max < 0 && n.min == 0:
			b.WriteByte('*')
		case n.max < 0 && n.min == 1:
			b.WriteByte('+')
		case n.max < 0:
			fmt.Fprintf(b, "{%d,}", n.min)
		default:
			fmt.Fprintf(b, "{%d,%d}", n.min, n.max)
		}
	default: // opCat, opAlt, opGroup
		b.WriteString("(?:")
		for i, sub := range n.subs {
			if i > 0 && n.op == opAlt {
				b.WriteByte('|')
			}
			translate(b, sub)
		}
		b.WriteByte(')')
	}
}
