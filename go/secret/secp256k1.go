package secret

import (
	"crypto/rand"
	"crypto/sha256"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// The library's own Sign puts the private key on the heap (the HMAC of its RFC
// 6979 nonce) and multiplies in variable time. So the nonce is made here, and
// each multiplication and inversion of a secret is blinded by a random scalar:
// what time tells is then about numbers that nobody uses again.

// publicKey returns the compressed public key of the scalar f.d, 33 bytes.
func publicKey(f *frame) []byte {
	var point secp256k1.JacobianPoint
	f.multiplyBase(&f.d, &point)
	return secp256k1.NewPublicKey(&point.X, &point.Y).SerializeCompressed()
}

// multiplyBase sets point to scalar·G in affine coordinates, as (scalar−b)·G + b·G
// for a random b.
func (f *frame) multiplyBase(scalar *secp256k1.ModNScalar, point *secp256k1.JacobianPoint) {
	f.setRandom(&f.blind)
	var left, right secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(&f.blind, &left)
	f.blind.Negate().Add(scalar)
	secp256k1.ScalarBaseMultNonConst(&f.blind, &right)
	secp256k1.AddNonConst(&left, &right, point)
	point.ToAffine()
}

// invert replaces a scalar by its inverse modulo n, as b·(scalar·b)⁻¹.
func (f *frame) invert(scalar *secp256k1.ModNScalar) {
	f.setRandom(&f.blind)
	scalar.Mul(&f.blind)
	scalar.InverseNonConst()
	scalar.Mul(&f.blind)
}

// setRandom sets a scalar to a random one that is not zero.
func (f *frame) setRandom(scalar *secp256k1.ModNScalar) {
	for {
		rand.Read(f.sum[:32]) // it cannot fail
		if overflow := scalar.SetByteSlice(f.sum[:32]); !overflow && !scalar.IsZero() {
			return
		}
	}
}

// signECDSA signs a digest with f.key: deterministic (RFC 6979) and with the low s of
// the two possible ones (EIP-2). The signature is r ‖ s ‖ recovery id (0 to 3).
func signECDSA(f *frame, digest *[32]byte) (signature [65]byte) {
	f.d.SetByteSlice(f.key.private[:])
	f.e.SetByteSlice(digest[:])
	nonces := newNonces(f)
	defer nonces.wipe()
	for {
		nonces.next(&f.k)
		var point secp256k1.JacobianPoint
		f.multiplyBase(&f.k, &point)
		var x [32]byte
		point.X.PutBytes(&x)
		overflow := f.r.SetByteSlice(x[:])
		if f.r.IsZero() {
			continue
		}
		id := byte(0)
		if overflow {
			id = 2
		}
		if point.Y.IsOdd() {
			id |= 1
		}
		// s = k⁻¹(e + d·r)
		f.invert(&f.k)
		f.s.Mul2(&f.d, &f.r).Add(&f.e).Mul(&f.k)
		if f.s.IsZero() {
			continue
		}
		if f.s.IsOverHalfOrder() {
			f.s.Negate()
			id ^= 1
		}
		f.r.PutBytesUnchecked(signature[:32])
		f.s.PutBytesUnchecked(signature[32:64])
		signature[64] = id
		return signature
	}
}

// nonces is the generator of RFC 6979, section 3.2, with SHA-256. K and V lie in
// the frame's node, which signing does not use.
type nonces struct {
	mac  *mac
	k, v []byte
	used bool // V has been given out
}

// newNonces seeds the generator with the scalars f.d and f.e (steps a to g).
func newNonces(f *frame) *nonces {
	n := &nonces{mac: newMAC(sha256.New, f.block[:]), k: f.node.private[:], v: f.node.chain[:]}
	f.d.PutBytesUnchecked(f.data[:32])
	f.e.PutBytesUnchecked(f.data[32:64])
	clear(n.k)
	for i := range n.v {
		n.v[i] = 1
	}
	n.update(0, f.data[:64])
	n.update(1, f.data[:64])
	return n
}

// update sets K to HMAC_K(V ‖ separator ‖ data) and V to HMAC_K(V).
func (n *nonces) update(separator byte, data []byte) {
	n.mac.setKey(n.k)
	n.mac.write(n.v, []byte{separator}, data)
	n.mac.sum(n.k)
	n.advance()
}

func (n *nonces) advance() {
	n.mac.setKey(n.k)
	n.mac.write(n.v)
	n.mac.sum(n.v)
}

// next sets scalar to the next nonce (step h).
func (n *nonces) next(scalar *secp256k1.ModNScalar) {
	for {
		if n.used {
			n.update(0, nil)
		}
		n.used = true
		n.advance()
		if overflow := scalar.SetByteSlice(n.v); !overflow && !scalar.IsZero() {
			return
		}
	}
}

func (n *nonces) wipe() {
	n.mac.wipe()
	clear(n.k)
	clear(n.v)
}
