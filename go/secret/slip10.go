package secret

import (
	"crypto/sha512"
	"encoding/binary"
)

// slip10 derives f.node, the Ed25519 node at a path of hardened levels (SLIP-0010).
func slip10(f *frame, seed []byte, path Path) error {
	if err := path.requireHardened(); err != nil {
		return err
	}
	m := newMAC(sha512.New, f.block[:])
	defer m.wipe()
	m.setKey([]byte("ed25519 seed"))
	m.write(seed)
	m.sum(f.sum[:])
	for _, index := range path.levels() {
		f.node.set(&f.sum)
		f.childData(index)
		m.setKey(f.node.chain[:])
		m.write(f.data[:37])
		m.sum(f.sum[:])
	}
	f.node.set(&f.sum)
	return nil
}

// set takes the left half of an HMAC as key and the right half as chain code.
func (n *node) set(sum *[64]byte) {
	copy(n.private[:], sum[:32])
	copy(n.chain[:], sum[32:])
}

// childData writes what a hardened child is made of: 0, the private key, the index.
func (f *frame) childData(index uint32) {
	f.data[0] = 0
	copy(f.data[1:], f.node.private[:])
	binary.BigEndian.PutUint32(f.data[33:], index)
}
