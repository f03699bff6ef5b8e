package secret

import (
	"encoding"
	"hash"
)

// mac is HMAC (RFC 2104). Unlike crypto/hmac, whose state holds the key and cannot
// be reached, all that it keeps can be wiped.
type mac struct {
	inner, outer hash.Hash
	block        []byte // the caller's scratch, one block of the hash
}

// newMAC makes a mac without a key. The caller wipes it when done, and block too.
func newMAC(hash func() hash.Hash, block []byte) *mac {
	m := &mac{inner: hash(), outer: hash()}
	m.block = block[:m.inner.BlockSize()]
	return m
}

// setKey starts a new message under a key.
func (m *mac) setKey(key []byte) {
	m.inner.Reset()
	m.outer.Reset()
	clear(m.block)
	if len(key) > len(m.block) {
		m.inner.Write(key)
		m.inner.Sum(m.block[:0])
		m.inner.Reset()
	} else {
		copy(m.block, key)
	}
	for i := range m.block {
		m.block[i] ^= 0x36
	}
	m.inner.Write(m.block)
	for i := range m.block {
		m.block[i] ^= 0x36 ^ 0x5c
	}
	m.outer.Write(m.block)
	clear(m.block)
}

func (m *mac) write(parts ...[]byte) {
	for _, part := range parts {
		m.inner.Write(part)
	}
}

// sum writes the tag to out, which has room for exactly it, and ends the message.
func (m *mac) sum(out []byte) {
	m.inner.Sum(out[:0])
	m.outer.Write(out)
	m.outer.Sum(out[:0])
}

func (m *mac) wipe() {
	wipeObject(m.inner)
	wipeObject(m.outer)
	clear(m.block)
}

// save appends the two states after setKey to the given buffers.
func (m *mac) save(inner, outer []byte) (savedInner, savedOuter []byte) {
	return appendState(m.inner, inner), appendState(m.outer, outer)
}

// restore brings back what save kept.
func (m *mac) restore(inner, outer []byte) {
	setState(m.inner, inner)
	setState(m.outer, outer)
}

func appendState(h hash.Hash, dst []byte) []byte {
	state, err := h.(encoding.BinaryAppender).AppendBinary(dst)
	if err != nil {
		panic("secret: a standard hash cannot give its state: " + err.Error())
	}
	return state
}

func setState(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic("secret: a standard hash does not take its own state: " + err.Error())
	}
}
