package secret

import (
	"filippo.io/edwards25519"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// key is a derived private key as the cache holds it, in locked memory.
type key struct {
	private [32]byte // Ed25519 seed, secp256k1 scalar or AES key

	// Of an Ed25519 key, what RFC 8032 (section 5.1.5) makes of the seed.
	scalar edwards25519.Scalar
	prefix [32]byte
}

// node is a step of derivation: a private key and its chain code.
type node struct{ private, chain [32]byte }

// frame is what one operation computes in: locked memory that is wiped when the
// operation ends, so that no intermediate value lies on the heap. Nothing in it
// is or holds a Go pointer: the collector does not look there.
type frame struct {
	key   key
	node  node
	sum   [64]byte  // output of a hash
	block [128]byte // one block for mac
	data  [104]byte // message of a hash; an AuthToken

	nonce, challenge, product edwards25519.Scalar
	d, k, r, s, e, blind      secp256k1.ModNScalar
}
