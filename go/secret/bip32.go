package secret

import (
	"crypto/sha512"
	"encoding/binary"
)

// bip32 derives f.node, the secp256k1 node at a path (BIP-32).
func bip32(f *frame, seed []byte, path Path) error {
	m := newMAC(sha512.New, f.block[:])
	defer m.wipe()
	m.setKey([]byte("Bitcoin seed"))
	m.write(seed)
	m.sum(f.sum[:])
	f.node.set(&f.sum)
	if overflow := f.d.SetByteSlice(f.node.private[:]); overflow || f.d.IsZero() {
		return errorf(InvalidPath, "this seed has no secp256k1 keys; one in 2^127 has none")
	}
	for i, index := range path.levels() {
		if index&hardenedBit != 0 {
			f.childData(index)
		} else {
			copy(f.data[:], publicKey(f))
			binary.BigEndian.PutUint32(f.data[33:], index)
		}
		m.setKey(f.node.chain[:])
		m.write(f.data[:37])
		m.sum(f.sum[:])
		// The child's key is the sum of the left half and the parent's, modulo n.
		overflow := f.k.SetByteSlice(f.sum[:32])
		f.d.Add(&f.k)
		if overflow || f.d.IsZero() {
			return errorf(InvalidPath, "the index at level %d of the path has no key, as one in 2^127 has none: use the next one", i+1)
		}
		f.d.PutBytesUnchecked(f.node.private[:])
		copy(f.node.chain[:], f.sum[32:])
	}
	return nil
}
