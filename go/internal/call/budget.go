package call

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// largeFrames is what the large frames of a session's streams may take together
// until they were handled. A stream that has to wait for it is not read, so that
// the transport's flow control holds its sender up, and nobody else.
type largeFrames struct {
	ctx context.Context // ends with the session
	sem *semaphore.Weighted
}

func newLargeFrames(ctx context.Context, limits Limits) largeFrames {
	// At least one frame of the largest size, or it could never be read.
	return largeFrames{ctx, semaphore.NewWeighted(int64(max(limits.MaxQueued, limits.MaxFrame)))}
}

// Reserve implements wire.Budget.
func (l *largeFrames) Reserve(n int) error { return l.sem.Acquire(l.ctx, int64(n)) }

// Release implements wire.Budget.
func (l *largeFrames) Release(n int) { l.sem.Release(int64(n)) }
