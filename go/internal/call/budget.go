package call

import (
	"context"
	"sync/atomic"

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

// Budget bounds the bytes that the requests of all sessions of a node keep together: a
// limit of each session alone is none where there are thousands. nil has no bound. It is
// safe for concurrent use.
type Budget struct{ used, limit atomic.Int64 }

// nodeShare is how many sessions may keep as much as one may.
const nodeShare = 8

// SetLimits bounds the budget by the limits of one session.
func (b *Budget) SetLimits(limits Limits) {
	b.limit.Store(nodeShare * int64(limits.withDefaults().MaxQueued))
}

// uncounted is what each session may keep beside the budget, in bytes: small requests,
// which are most, then cost no access to what all sessions share.
const uncounted = 4 << 10

// change counts that a session keeps to bytes in place of from, or does nothing and
// reports false where that is too much.
func (b *Budget) change(from, to int) bool {
	from, to = max(from, uncounted), max(to, uncounted)
	if b == nil || from == to {
		return true
	}
	n := int64(to - from)
	if b.used.Add(n) <= b.limit.Load() || n < 0 {
		return true
	}
	b.used.Add(-n)
	return false
}

// Used returns how many bytes are taken.
func (b *Budget) Used() int64 { return b.used.Load() }
