package call

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// quiet is a registry with a subscription that sends so many events and then nothing.
func quiet(t *testing.T, events int) *Registry {
	r := echo(t, NewRegistry())
	must(t, r.HandleStream(OperationSpec{Name: "/idle/idle"}, func(ctx context.Context, _ *Request, send func(any) error) error {
		for i := range events {
			if err := send(i); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}))
	return r
}

// The idle clock runs only while there is credit. Without it there is not even a timer.
func TestIdleClockNeedsCredit(t *testing.T) {
	for _, window := range []int{0, 1} {
		s, conn, frames := raw(t, quiet(t, window), Limits{})
		send(t, conn, wire.Requested, "1", fmt.Sprintf(`{"operationId":"/idle/idle","window":%d,"idleTimeout":100}`, window))
		for range window {
			next(t, frames)
		}
		// Longer than the timeout, by the clock of another subscription, which has credit.
		send(t, conn, wire.Requested, "2", `{"operationId":"/idle/idle","window":9,"idleTimeout":300}`)
		for range window {
			next(t, frames)
		}
		if env := next(t, frames); env.Type != wire.Failed || env.ID != "2" {
			t.Fatalf("window %d: %s of %s", window, env.Type, env.ID)
		}
		s.mu.Lock()
		r := s.incoming["1"]
		s.mu.Unlock()
		if r == nil {
			t.Fatalf("window %d: the subscription has ended", window)
		}
		r.mu.Lock()
		if r.idling {
			t.Errorf("window %d: the clock runs without credit", window)
		}
		r.mu.Unlock()
		credit := time.Now()
		send(t, conn, wire.Credit, "1", `{"n":1}`)
		env := next(t, frames)
		if took := time.Since(credit); env.Type != wire.Failed || parseError(env.Payload).Code != Timeout || took < 99*time.Millisecond {
			t.Errorf("window %d: %s after %v", window, env.Payload, took)
		}
	}
}

// The same through a head, which has a clock of its own.
func TestIdleClockOfForwardedRequestsNeedsCredit(t *testing.T) {
	n := newNetwork(t, quiet(t, 1), Limits{})
	ctx := context.Background()
	full, err := n.client.Subscribe(ctx, "/dev1/idle/idle", nil, WithWindow(1), WithIdleTimeout(MinIdleTimeout))
	must(t, err)
	other, err := n.client.Subscribe(ctx, "/dev1/idle/idle", nil, WithIdleTimeout(3*MinIdleTimeout))
	must(t, err)
	_, err = other.Next(ctx)
	must(t, err)
	_, err = other.Next(ctx)
	wantCode(t, err, Timeout)
	full.mu.Lock()
	err = full.err
	full.mu.Unlock()
	must(t, err)
	_, err = full.Next(ctx) // gives credit
	must(t, err)
	_, err = full.Next(ctx)
	wantCode(t, err, Timeout)
}
