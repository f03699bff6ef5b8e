package secret

import (
	"math/rand/v2"
	"testing"
)

// random gives the same numbers each time that a test of the name runs.
type random struct {
	*rand.Rand
	source *rand.ChaCha8
}

func newRandom(t testing.TB) *random {
	var seed [32]byte
	copy(seed[:], t.Name())
	source := rand.NewChaCha8(seed)
	return &random{rand.New(source), source}
}

func (r *random) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = r.source.Read(b)
	return b
}
