package ecmascript

import (
	"errors"
	"unicode/utf8"
)

type code uint8

const (
	doSet   code = iota // one character forwards
	doBack              // one character backwards
	doSplit             // go on at x, then at y
	doJump              // go on at x
	doSave              // remember where a group begins or ends: slot x
	doClear             // forget the groups x to y
	doMark              // remember where an iteration begins: loop x
	doCheck             // an iteration must not be empty: loop x
	doStart
	doEnd
	doWord
	doNotWord
	doLook // what is at the next instruction must match, or must not; then go on at x
	doNotLook
	doGroup       // what group x has matched, forwards
	doGroupBehind // and backwards
	doMatch
)

type instruction struct {
	code code
	x, y int32
	set  set
}

// program is a pattern for matching by backtracking.
type program struct {
	list  []instruction
	slots int
	loops int
	backs bool // it has back references: what a group has matched decides
}

// maxProgram bounds a program, in instructions: a count is as many copies.
const maxProgram = 1 << 15

var errLarge = errors.New("it is too large: use smaller counts")

type compiler struct {
	program
	behind bool
}

func compile(n *node, groups int, backs bool) (*program, error) {
	c := &compiler{program: program{slots: 2 * (groups + 1), backs: backs}}
	if err := c.node(n); err != nil {
		return nil, err
	}
	c.emit(instruction{code: doMatch})
	return &c.program, nil
}

func (c *compiler) emit(i instruction) int {
	c.list = append(c.list, i)
	return len(c.list) - 1
}

func (c *compiler) here() int32 { return int32(len(c.list)) }

func (c *compiler) node(n *node) error {
	if len(c.list) > maxProgram {
		return errLarge
	}
	switch n.op {
	case opSet:
		code := doSet
		if c.behind {
			code = doBack
		}
		c.emit(instruction{code: code, set: n.set})
	case opCat:
		for i := range n.subs {
			sub := n.subs[i]
			if c.behind {
				sub = n.subs[len(n.subs)-1-i]
			}
			if err := c.node(sub); err != nil {
				return err
			}
		}
	case opAlt:
		return c.alternatives(n.subs)
	case opRepeat:
		return c.repeat(n)
	case opGroup:
		first, last := int32(2*n.group), int32(2*n.group+1)
		if c.behind {
			first, last = last, first
		}
		c.emit(instruction{code: doSave, x: first})
		if err := c.node(n.subs[0]); err != nil {
			return err
		}
		c.emit(instruction{code: doSave, x: last})
	case opStart:
		c.emit(instruction{code: doStart})
	case opEnd:
		c.emit(instruction{code: doEnd})
	case opWord:
		code := doWord
		if n.not {
			code = doNotWord
		}
		c.emit(instruction{code: code})
	case opLook:
		code := doLook
		if n.not {
			code = doNotLook
		}
		at, before := c.emit(instruction{code: code}), c.behind
		c.behind = n.behind
		if err := c.node(n.subs[0]); err != nil {
			return err
		}
		c.behind = before
		c.emit(instruction{code: doMatch})
		c.list[at].x = c.here()
	case opBack:
		code := doGroup
		if c.behind {
			code = doGroupBehind
		}
		c.emit(instruction{code: code, x: int32(n.group)})
	}
	return nil
}

func (c *compiler) alternatives(list []*node) error {
	var jumps []int
	for i, sub := range list {
		split := -1
		if i < len(list)-1 {
			split = c.emit(instruction{code: doSplit, x: c.here() + 1})
		}
		if err := c.node(sub); err != nil {
			return err
		}
		if split >= 0 {
			jumps = append(jumps, c.emit(instruction{code: doJump}))
			c.list[split].y = c.here()
		}
	}
	for _, at := range jumps {
		c.list[at].x = c.here()
	}
	return nil
}

func (c *compiler) repeat(n *node) error {
	for range n.min {
		if err := c.iteration(n); err != nil {
			return err
		}
	}
	if n.max < 0 {
		loop := int32(c.loops)
		c.loops++
		head := c.split(n.lazy)
		c.emit(instruction{code: doMark, x: loop})
		if err := c.iteration(n); err != nil {
			return err
		}
		c.emit(instruction{code: doCheck, x: loop})
		c.emit(instruction{code: doJump, x: int32(head)})
		c.land(head, n.lazy)
		return nil
	}
	var splits []int
	for range n.max - n.min {
		splits = append(splits, c.split(n.lazy))
		loop := int32(c.loops)
		c.loops++
		c.emit(instruction{code: doMark, x: loop})
		if err := c.iteration(n); err != nil {
			return err
		}
		c.emit(instruction{code: doCheck, x: loop})
	}
	for _, at := range splits {
		c.land(at, n.lazy)
	}
	return nil
}

// split emits a choice between an iteration, which follows, and the end of them.
func (c *compiler) split(lazy bool) int {
	at := c.emit(instruction{code: doSplit})
	if lazy {
		c.list[at].y = c.here()
	} else {
		c.list[at].x = c.here()
	}
	return at
}

// land sets where the iterations end.
func (c *compiler) land(at int, lazy bool) {
	if lazy {
		c.list[at].x = c.here()
	} else {
		c.list[at].y = c.here()
	}
}

func (c *compiler) iteration(n *node) error {
	if len(c.list) > maxProgram {
		return errLarge
	}
	if n.from <= n.to && c.backs {
		c.emit(instruction{code: doClear, x: int32(n.from), y: int32(n.to)})
	}
	return c.node(n.subs[0])
}

func isWord(r rune) bool { return r < utf8.RuneSelf && word.has(r) }
