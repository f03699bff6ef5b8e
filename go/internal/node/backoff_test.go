package node

import (
	"testing"
	"time"
)

// The pauses grow, and chance only shortens them, by half at most.
func TestBackoff(t *testing.T) {
	first := map[time.Duration]bool{}
	for range 100 {
		var b backoff
		for i, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			d := b.delay()
			if limit := seconds * time.Second; d < limit/2 || d >= limit {
				t.Fatalf("pause %d is %v, want [%v, %v)", i+1, d, limit/2, limit)
			}
			if i == 0 {
				first[d] = true
			}
		}
	}
	if len(first) < 2 {
		t.Error("all first pauses are equal: clients come back in step")
	}
}
