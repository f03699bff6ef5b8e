package ecmascript

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// maxSeen bounds what a match remembers, in bits.
const maxSeen = 1 << 25

// maxStack bounds the choices that a match may still go back to, of 12 bytes each.
const maxStack = 1 << 20

// matcher is one match. Without back references the same instruction at the same place
// has the same outcome: each is tried once, in steps of the text's length times the
// program's, as long as that many bits may be kept. In all other cases the steps are
// counted, and the match ends with ErrWork.
type matcher struct {
	*program
	text  []byte
	work  *Work
	err   error
	slots []int32 // where groups begin and end, or -1; then where iterations began
	seen  []uint64
	trail []int // bits of seen that were set in a look around, which has not ended
	looks int
}

// choice is something to go back to: an instruction and a place, or the old value of a
// slot, for which pc is -1 less the slot.
type choice struct{ pc, pos int32 }

func (p *program) match(text []byte, w *Work) (bool, error) {
	m := &matcher{program: p, text: text, work: w, slots: make([]int32, p.slots+p.loops)}
	for i := range m.slots {
		m.slots[i] = -1
	}
	if bits := (len(text) + 1) * len(p.list); !p.backs && bits <= maxSeen {
		m.seen = make([]uint64, bits/64+1)
		w.Steps -= int64(bits) / 64
	}
	for pos := 0; pos <= len(text); {
		if m.run(0, pos) {
			return true, nil
		}
		if m.err != nil {
			return false, m.err
		}
		if p.list[0].code == doStart {
			return false, nil
		}
		if pos == len(text) {
			break
		}
		_, n := utf8.DecodeRune(text[pos:])
		pos += n
	}
	return false, nil
}

func (m *matcher) step() bool {
	if m.work.Steps--; m.work.Steps < 0 || m.work.Steps%1024 == 0 && m.work.Stop != nil && m.work.Stop() {
		m.err = ErrWork
	}
	return m.err == nil
}

// run tries to match from an instruction and a place on.
func (m *matcher) run(pc, pos int) bool {
	stack := []choice{{int32(pc), int32(pos)}}
	for len(stack) > 0 && m.err == nil {
		c := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if c.pc < 0 {
			m.slots[-1-c.pc] = c.pos
			continue
		}
		ok := false
		if stack, ok = m.thread(int(c.pc), int(c.pos), stack); ok {
			return true
		}
	}
	return false
}

// thread goes on until it matches or fails, and leaves its choices on the stack.
func (m *matcher) thread(pc, pos int, stack []choice) ([]choice, bool) {
	for {
		if len(stack) > maxStack {
			m.err = ErrWork
		}
		if !m.step() {
			return stack, false
		}
		in := &m.list[pc]
		if m.seen != nil && in.code == doSplit && m.tried(pc, pos) {
			return stack, false
		}
		pc++
		switch in.code {
		case doMatch:
			return stack, true
		case doSplit:
			stack = append(stack, choice{in.y, int32(pos)})
			pc = int(in.x)
		case doJump:
			pc = int(in.x)
		case doSave:
			stack = m.set(stack, int(in.x), pos)
		case doClear:
			for i := 2 * in.x; i <= 2*in.y+1; i++ {
				stack = m.set(stack, int(i), -1)
			}
		case doMark:
			stack = m.set(stack, m.program.slots+int(in.x), pos)
		case doCheck:
			if m.seen == nil && int(m.slots[m.program.slots+int(in.x)]) == pos {
				return stack, false
			}
		case doLook, doNotLook:
			var ok bool
			if stack, ok = m.look(in, pc, pos, stack); !ok {
				return stack, false
			}
			pc = int(in.x)
		default:
			n := m.one(in, pos)
			if n < 0 {
				return stack, false
			}
			pos = n
		}
	}
}

// tried reports whether an instruction was tried at a place, and notes that it is.
func (m *matcher) tried(pc, pos int) bool {
	bit := pos*len(m.list) + pc
	if m.seen[bit/64]&(1<<(bit%64)) != 0 {
		return true
	}
	m.seen[bit/64] |= 1 << (bit % 64)
	if m.looks > 0 {
		m.trail = append(m.trail, bit)
	}
	return false
}

// set changes a slot, and notes its old value, where it counts.
func (m *matcher) set(stack []choice, slot, value int) []choice {
	if m.seen != nil {
		return stack // neither groups nor iterations count
	}
	stack = append(stack, choice{int32(-1 - slot), m.slots[slot]})
	m.slots[slot] = int32(value)
	return stack
}

// look judges what is around a place. What was tried in vain stays so; after a match
// it does not, as what led to it was tried too.
func (m *matcher) look(in *instruction, pc, pos int, stack []choice) ([]choice, bool) {
	var before []int32
	if m.seen == nil {
		before = slices.Clone(m.slots)
		m.work.Steps -= int64(len(before)) / 8
	}
	trail := len(m.trail)
	m.looks++
	ok := m.run(pc, pos)
	m.looks--
	if ok {
		for _, bit := range m.trail[trail:] {
			m.seen[bit/64] &^= 1 << (bit % 64)
		}
		m.trail = m.trail[:trail]
	}
	if m.looks == 0 {
		m.trail = m.trail[:0]
	}
	if m.err != nil || ok != (in.code == doLook) || !ok {
		copy(m.slots, before)
		return stack, m.err == nil && ok == (in.code == doLook)
	}
	for slot, old := range before {
		if old != m.slots[slot] {
			stack = append(stack, choice{int32(-1 - slot), old})
		}
	}
	return stack, true
}

// one steps over what an instruction wants, and returns the place behind it, or -1.
func (m *matcher) one(in *instruction, pos int) int {
	switch in.code {
	case doSet:
		if r, n := utf8.DecodeRune(m.text[pos:]); n > 0 && in.set.has(r) {
			return pos + n
		}
	case doBack:
		if r, n := utf8.DecodeLastRune(m.text[:pos]); n > 0 && in.set.has(r) {
			return pos - n
		}
	case doStart:
		if pos == 0 {
			return pos
		}
	case doEnd:
		if pos == len(m.text) {
			return pos
		}
	case doWord, doNotWord:
		before, _ := utf8.DecodeLastRune(m.text[:pos])
		after, _ := utf8.DecodeRune(m.text[pos:])
		if (isWord(before) != isWord(after)) == (in.code == doWord) {
			return pos
		}
	case doGroup, doGroupBehind:
		from, to := int(m.slots[2*in.x]), int(m.slots[2*in.x+1])
		if from < 0 || to < 0 {
			return pos
		}
		group := m.text[from:to]
		m.work.Steps -= int64(len(group))
		if in.code == doGroup && bytes.HasPrefix(m.text[pos:], group) {
			return pos + len(group)
		}
		if in.code == doGroupBehind && bytes.HasSuffix(m.text[:pos], group) {
			return pos - len(group)
		}
	}
	return -1
}
