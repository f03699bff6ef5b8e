package call

import (
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Limits bound what one session may cost. The zero value of each field means its
// default.
type Limits struct {
	// MaxFrame is the largest frame body taken, in bytes: default 16 MiB, at most 64 MiB.
	MaxFrame int `json:"maxFrame"`
	// MaxInFlight is how many requests of the other side may be unanswered at
	// once: default 1,024. One more is answered RESOURCE_EXHAUSTED.
	MaxInFlight int `json:"maxInFlight"`
	// MaxQueued is how many bytes may wait to be sent, how many the inputs of the
	// requests in flight may have together, and how many the large frames that are
	// arriving: default 64 MiB. Past it requests are answered RESOURCE_EXHAUSTED, large
	// frames wait, and a peer that does not read its answers loses the session.
	MaxQueued int `json:"maxQueued"`
	// MaxWaiting is how many requests of this side may wait until the other side has
	// room for them: default 131,072; less than 0 is none. Their inputs may have MaxQueued
	// bytes together, or one of any size.
	MaxWaiting int `json:"-"`
	// OpenTimeout is how long the other side may take to open the session:
	// default 5 s.
	OpenTimeout time.Duration `json:"-"`
	// PingInterval is how often a silent byte stream is probed (default 20 s) and
	// DeadAfter how long it may stay silent (default 60 s). They are not used where
	// the transport keeps itself alive.
	PingInterval time.Duration `json:"-"`
	DeadAfter    time.Duration `json:"-"`
}

const (
	defaultInFlight = 1024
	defaultQueued   = 64 << 20
	defaultWaiting  = 1 << 17

	// DefaultWindow is how many events a subscription may be ahead of its reader.
	DefaultWindow = 256
	// MaxWindow bounds the credit that a peer may hold, so that sums cannot overflow.
	MaxWindow = 1 << 30
	// unwindowedEvents may wait for a caller that sent no window.
	unwindowedEvents = 1024
	// queueSlack is room for the refusals themselves once MaxQueued is reached.
	queueSlack = 1 << 20
	// ownStreamSize is the payload size from which a request or an answer travels
	// on a stream of its own: below it, opening one costs more than it saves.
	ownStreamSize = 64 << 10
)

func (l Limits) withDefaults() Limits {
	if l.MaxFrame <= 0 {
		l.MaxFrame = wire.DefaultMaxFrame
	}
	l.MaxFrame = min(l.MaxFrame, wire.MaxMaxFrame)
	if l.MaxInFlight <= 0 {
		l.MaxInFlight = defaultInFlight
	}
	if l.MaxQueued <= 0 {
		l.MaxQueued = defaultQueued
	}
	if l.MaxWaiting == 0 {
		l.MaxWaiting = defaultWaiting
	}
	if l.OpenTimeout <= 0 {
		l.OpenTimeout = 5 * time.Second
	}
	if l.PingInterval <= 0 {
		l.PingInterval = 20 * time.Second
	}
	if l.DeadAfter <= 0 {
		l.DeadAfter = 60 * time.Second
	}
	return l
}
