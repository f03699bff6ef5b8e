package alknet

import (
	"context"
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/call"
)

// Subscription is a stream of events for one reader. Read it to its end, or close it.
type Subscription struct{ inner *call.Subscription }

// Next returns the next event, a JSON text that the caller owns. At the end of the
// subscription the error is io.EOF; else it is an *[Error], or ctx's own error when ctx
// ended first, which leaves the subscription as it is. Next is not safe for concurrent use
// with itself.
func (s *Subscription) Next(ctx context.Context) (json.RawMessage, error) { return s.inner.Next(ctx) }

// Close stops the subscription on both sides. It may be called more than once and always
// returns nil.
func (s *Subscription) Close() error {
	s.inner.Close()
	return nil
}
