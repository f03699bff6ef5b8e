package node

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstDelay = time.Second
	lastDelay  = 30 * time.Second
)

// backoff gives the pauses between attempts to reconnect: 1, 2, 4 … 30 s, each
// shortened at random by up to half, so that the clients of a restarted head do
// not come back in step.
type backoff struct{ next time.Duration }

func (b *backoff) delay() time.Duration {
	d := max(b.next, firstDelay)
	b.next = min(2*d, lastDelay)
	return d/2 + rand.N(d/2)
}

// wait waits for the next pause and reports whether ctx has not ended meanwhile.
func (b *backoff) wait(ctx context.Context) bool {
	timer := time.NewTimer(b.delay())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
