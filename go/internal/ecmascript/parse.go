package ecmascript

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

type op uint8

const (
	opSet    op = iota // one character of a set
	opCat              // all, in order; none is the empty pattern
	opAlt              // one of them
	opRepeat           // between min and max times; max < 0 has no end
	opGroup            // a group that is remembered
	opStart            // ^
	opEnd              // $
	opWord             // \b, or \B when not is set
	opLook             // (?= (?! (?<= (?<!
	opBack             // \1 \k<name>
)

// node is a part of a pattern.
type node struct {
	op       op
	set      set
	subs     []*node
	min, max int
	lazy     bool
	not      bool // of opWord and opLook
	behind   bool // of opLook
	group    int  // of opGroup and opBack
	name     string
	from, to int // of opRepeat: the groups in it
}

const maxGroups = 1000

// maxNesting bounds groups in groups.
const maxNesting = 200

type parser struct {
	text   string
	pos    int
	groups int
	names  map[string]int
	backs  []*node
	depth  int
	plain  bool // neither looks around nor back references
}

// parse reads a pattern as ECMA-262 does with the u flag.
func parse(text string) (*node, *parser, error) {
	p := &parser{text: text, names: map[string]int{}, plain: true}
	if !utf8.ValidString(text) {
		return nil, nil, errors.New("not UTF-8")
	}
	n, err := p.alternatives()
	if err == nil && p.pos < len(text) {
		err = p.errorf("an unmatched ')'")
	}
	if err != nil {
		return nil, nil, err
	}
	for _, back := range p.backs {
		if back.name != "" {
			if back.group = p.names[back.name]; back.group == 0 {
				return nil, nil, fmt.Errorf("there is no group %.40q", back.name)
			}
		}
		if back.group > p.groups {
			return nil, nil, fmt.Errorf("there is no group %d", back.group)
		}
	}
	return n, p, nil
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s, at byte %d", fmt.Sprintf(format, args...), p.pos)
}

func (p *parser) peek() rune {
	if p.pos >= len(p.text) {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return r
}

func (p *parser) next() rune {
	if p.pos >= len(p.text) {
		return -1
	}
	r, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	return r
}

func (p *parser) take(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorf("groups lie too deep in each other")
	}
	defer func() { p.depth-- }()
	alt := &node{op: opAlt}
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, n)
		if !p.take("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *parser) sequence() (*node, error) {
	cat := &node{op: opCat}
	for {
		if c := p.peek(); c < 0 || c == '|' || c == ')' {
			return cat, nil
		}
		first := p.groups
		n, repeatable, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n, err = p.quantifier(n, repeatable); err != nil {
			return nil, err
		}
		if n.op == opRepeat {
			n.from, n.to = first+1, p.groups
		}
		cat.subs = append(cat.subs, n)
	}
}

func (p *parser) quantifier(n *node, repeatable bool) (*node, error) {
	from := p.pos
	out := &node{op: opRepeat, subs: []*node{n}, max: -1}
	switch p.peek() {
	case '*':
		p.pos++
	case '+':
		p.pos++
		out.min = 1
	case '?':
		p.pos++
		out.max = 1
	case '{':
		p.pos++
		var ok bool
		if out.min, ok = p.count(); !ok {
			return nil, p.errorf("a '{' without a number")
		}
		out.max = out.min
		if p.take(",") {
			if out.max, ok = p.count(); !ok {
				out.max = -1
			}
		}
		if !p.take("}") {
			return nil, p.errorf("a '{' without its '}'")
		}
		if out.max >= 0 && out.max < out.min {
			return nil, p.errorf("the numbers of a quantifier are out of order")
		}
	default:
		return n, nil
	}
	if !repeatable {
		p.pos = from
		return nil, p.errorf("nothing to repeat")
	}
	out.lazy = p.take("?")
	return out, nil
}

// maxCount is more than any text has characters.
const maxCount = 1 << 29

func (p *parser) count() (int, bool) {
	n, from := 0, p.pos
	for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
		n = min(n*10+int(p.text[p.pos]-'0'), maxCount)
		p.pos++
	}
	return n, p.pos > from
}

func (p *parser) atom() (n *node, repeatable bool, err error) {
	switch c := p.next(); c {
	case '^':
		return &node{op: opStart}, false, nil
	case '$':
		return &node{op: opEnd}, false, nil
	case '(':
		return p.group()
	case '.':
		return &node{op: opSet, set: lineEnds.not()}, true, nil
	case '[':
		set, err := p.class()
		return &node{op: opSet, set: set}, true, err
	case '\\':
		return p.escape()
	case '*', '+', '?', '{', '}', ']':
		p.pos--
		return nil, false, p.errorf("a lone '%c'", c)
	default:
		return &node{op: opSet, set: set{c, c}}, true, nil
	}
}

func (p *parser) group() (*node, bool, error) {
	n := &node{op: opGroup}
	switch {
	case p.take("?:"):
		n.op = opCat
	case p.take("?="):
		n.op = opLook
	case p.take("?!"):
		n.op, n.not = opLook, true
	case p.take("?<="):
		n.op, n.behind = opLook, true
	case p.take("?<!"):
		n.op, n.behind, n.not = opLook, true, true
	case p.take("?<"):
		name, err := p.name()
		if err != nil {
			return nil, false, err
		}
		if p.names[name] != 0 {
			return nil, false, p.errorf("two groups have one name")
		}
		p.names[name] = p.groups + 1
	case p.peek() == '?':
		return nil, false, p.errorf("an unknown group")
	}
	if n.op == opGroup {
		p.groups++
		if n.group = p.groups; n.group > maxGroups {
			return nil, false, p.errorf("too many groups")
		}
	}
	if n.op == opLook {
		p.plain = false
	}
	sub, err := p.alternatives()
	if err != nil {
		return nil, false, err
	}
	if !p.take(")") {
		return nil, false, p.errorf("a '(' without its ')'")
	}
	n.subs = []*node{sub}
	return n, n.op != opLook, nil
}

// name reads a group's name and the '>' behind it.
func (p *parser) name() (string, error) {
	var b strings.Builder
	for {
		c := p.next()
		if c == '>' && b.Len() > 0 {
			return b.String(), nil
		}
		if c == '\\' {
			if !p.take("u") {
				return "", p.errorf("a bad name of a group")
			}
			var err error
			if c, err = p.unicodeEscape(); err != nil {
				return "", err
			}
		}
		ok := c == '$' || c == '_' || idStart.has(c) || b.Len() > 0 && (idContinue.has(c) || c == 0x200c || c == 0x200d)
		if !ok {
			return "", p.errorf("a bad name of a group")
		}
		b.WriteRune(c)
	}
}

// escape reads what follows a backslash outside a class.
func (p *parser) escape() (*node, bool, error) {
	switch c := p.peek(); {
	case p.take("b"):
		return &node{op: opWord}, false, nil
	case p.take("B"):
		return &node{op: opWord, not: true}, false, nil
	case p.take("k"):
		if !p.take("<") {
			return nil, false, p.errorf("a \\k without a name")
		}
		name, err := p.name()
		return p.back(&node{op: opBack, name: name}), true, err
	case c >= '1' && c <= '9':
		n, _ := p.count()
		return p.back(&node{op: opBack, group: n}), true, nil
	}
	if s, ok, err := p.classEscape(); ok || err != nil {
		return &node{op: opSet, set: s}, true, err
	}
	c, err := p.characterEscape(false)
	return &node{op: opSet, set: set{c, c}}, true, err
}

func (p *parser) back(n *node) *node {
	p.plain = false
	p.backs = append(p.backs, n)
	return n
}

// classEscape reads \d \D \s \S \w \W \p{…} \P{…}.
func (p *parser) classEscape() (set, bool, error) {
	switch {
	case p.take("d"):
		return digit, true, nil
	case p.take("D"):
		return digit.not(), true, nil
	case p.take("s"):
		return space, true, nil
	case p.take("S"):
		return space.not(), true, nil
	case p.take("w"):
		return word, true, nil
	case p.take("W"):
		return word.not(), true, nil
	case p.take("p{"), p.take("P{"):
		not := p.text[p.pos-2] == 'P'
		name, _, whole := strings.Cut(p.text[p.pos:], "}")
		s, known := property(name)
		if !whole || !known {
			return nil, false, p.errorf("an unknown property %.40q", name)
		}
		p.pos += len(name) + 1
		if not {
			s = s.not()
		}
		return s, true, nil
	}
	return nil, false, nil
}

func (p *parser) characterEscape(inClass bool) (rune, error) {
	c := p.next()
	switch c {
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'v':
		return '\v', nil
	case 'b':
		if inClass {
			return '\b', nil
		}
	case '0':
		if next := p.peek(); next < '0' || next > '9' {
			return 0, nil
		}
	case 'c':
		if next := p.next(); next >= 'a' && next <= 'z' || next >= 'A' && next <= 'Z' {
			return next % 32, nil
		}
	case 'x':
		if r, ok := p.hex(2); ok {
			return r, nil
		}
	case 'u':
		return p.unicodeEscape()
	case '-':
		if inClass {
			return c, nil
		}
	case '^', '$', '\\', '.', '*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '/':
		return c, nil
	}
	return 0, p.errorf("an unknown escape")
}

// unicodeEscape reads what follows \u. Two surrogates are one character.
func (p *parser) unicodeEscape() (rune, error) {
	if p.take("{") {
		digits, _, whole := strings.Cut(p.text[p.pos:], "}")
		r := rune(0)
		for _, c := range digits {
			d, ok := hexDigit(c)
			if r = r<<4 | d; !ok || r > utf8.MaxRune {
				return 0, p.errorf("a bad \\u{…}")
			}
		}
		if !whole || digits == "" {
			return 0, p.errorf("a bad \\u{…}")
		}
		p.pos += len(digits) + 1
		return r, nil
	}
	high, ok := p.hex(4)
	if !ok {
		return 0, p.errorf("a bad \\u")
	}
	if from := p.pos; high >= 0xd800 && high < 0xdc00 && p.take(`\u`) {
		if low, ok := p.hex(4); ok && low >= 0xdc00 && low < 0xe000 {
			return (high-0xd800)<<10 + (low - 0xdc00) + 0x10000, nil
		}
		p.pos = from
	}
	return high, nil
}

func (p *parser) hex(n int) (r rune, ok bool) {
	if p.pos+n > len(p.text) {
		return 0, false
	}
	for _, c := range p.text[p.pos : p.pos+n] {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | d
	}
	p.pos += n
	return r, true
}

func hexDigit(c rune) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// class reads what follows a '['.
func (p *parser) class() (set, error) {
	not := p.take("^")
	var out set
	for !p.take("]") {
		first, s, err := p.classAtom()
		if err != nil {
			return nil, err
		}
		if p.peek() != '-' || strings.HasPrefix(p.text[p.pos:], "-]") {
			out = append(out, s...)
			continue
		}
		p.pos++
		last, _, err := p.classAtom()
		if err != nil {
			return nil, err
		}
		if first < 0 || last < 0 || first > last {
			return nil, p.errorf("a bad range of characters")
		}
		out = append(out, first, last)
	}
	out = out.merged()
	if not {
		return out.not(), nil
	}
	return out, nil
}

// classAtom reads one character, or a set of them, for which the character is -1.
func (p *parser) classAtom() (rune, set, error) {
	c := p.next()
	if c < 0 {
		return 0, nil, p.errorf("a '[' without its ']'")
	}
	if c == '\\' {
		if s, ok, err := p.classEscape(); ok || err != nil {
			return -1, s, err
		}
		var err error
		if c, err = p.characterEscape(true); err != nil {
			return 0, nil, err
		}
	}
	return c, set{c, c}, nil
}
