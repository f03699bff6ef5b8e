package route_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// TestRelayedSubscription has a subscription pass through a head to a reader that
// pauses at random: nothing is lost, nothing comes out of order, and the producer, the
// head and the reader together never hold more than the window. A million events with
// ALKNET_SOAK.
func TestRelayedSubscription(t *testing.T) {
	t.Parallel()
	events, window := int64(10_000), int64(64)
	if os.Getenv("ALKNET_SOAK") != "" {
		events = 1_000_000
	}
	for _, transport := range []string{"tls", "quic"} {
		t.Run(transport, func(t *testing.T) {
			h := start(t, map[string][]string{"dev1": {"node:register"}, "user": {}}, func(c *node.HeadConfig) { c.Listen = []string{transport + "://127.0.0.1:0"} })
			var sent, read, most atomic.Int64
			registry := call.NewRegistry()
			must(t, registry.HandleStream(call.OperationSpec{Name: "/x/count"}, func(_ context.Context, _ *call.Request, send func(any) error) error {
				for i := range events {
					if err := send(i); err != nil {
						return err
					}
					if ahead := sent.Add(1) - read.Load(); ahead > most.Load() {
						most.Store(ahead)
					}
				}
				return nil
			}))
			ctx := context.Background()
			worker := h.connect(t, "dev1", registry, nil)
			must(t, worker.Join(ctx, "dev1"))
			sub, err := h.connect(t, "user", nil, nil).Subscribe(ctx, "/dev1/x/count", nil, call.WithWindow(int(window)))
			must(t, err)
			for i := range events {
				event, err := sub.Next(ctx)
				if err != nil || string(event) != fmt.Sprint(i) {
					t.Fatalf("event %d: %s, %v", i, event, err)
				}
				read.Add(1)
				if rand.N(events/50) == 0 { // some fifty pauses
					time.Sleep(rand.N(5 * time.Millisecond))
				}
			}
			if _, err := sub.Next(ctx); err != io.EOF {
				t.Errorf("end: %v", err)
			}
			// What was read gives room again half a window at a time.
			if limit := window + window/2 + 2; most.Load() > limit {
				t.Errorf("%d events were on their way with a window of %d", most.Load(), window)
			}
			t.Logf("%d events, at most %d of them on their way", events, most.Load())
		})
	}
}

// TestAbortOverTwoHops aborts a call whose handler on one head has invoked one on the
// head behind it, which has invoked one on a worker: all of them are stopped, and what
// was to continue goes on.
func TestAbortOverTwoHops(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	top := start(t, map[string][]string{"mid": {"node:register"}, "user": {}}, nil)
	mid := start(t, map[string][]string{"dev": {"node:register"}}, nil)
	type stop struct {
		level string
		at    time.Time
	}
	running, stopped, finished := make(chan string, 8), make(chan stop, 8), make(chan string, 8)
	release := make(chan struct{})
	worker := call.NewRegistry()
	for i, level := range []struct {
		registry        *call.Registry
		name, next, own string // what it invokes of the next level, and of its own
	}{
		{top.registry, "/c/one", "mid/c/two", "c/long-one"}, {mid.registry, "/c/two", "dev/c/three", "c/long-two"}, {worker, "/c/three", "", "c/long-three"},
	} {
		must(t, level.registry.Handle(call.OperationSpec{Name: level.name}, func(ctx context.Context, req *call.Request) (any, error) {
			cut := strings.LastIndexByte(level.own, '/')
			go func() { _, _ = req.Invoke(ctx, level.own[:cut], level.own[cut+1:], nil, call.ContinueRunning()) }()
			if level.next != "" {
				cut := strings.LastIndexByte(level.next, '/')
				go func() { _, _ = req.Invoke(context.Background(), level.next[:cut], level.next[cut+1:], nil) }()
			}
			running <- level.name
			<-ctx.Done()
			stopped <- stop{level.name, time.Now()}
			return nil, ctx.Err()
		}, call.WithReach("/**")))
		must(t, level.registry.Handle(call.OperationSpec{Name: "/" + level.own}, func(ctx context.Context, _ *call.Request) (any, error) {
			running <- level.own
			select {
			case <-release:
				finished <- level.own
			case <-ctx.Done():
				t.Errorf("level %d: what was to continue was stopped: %v", i+1, context.Cause(ctx))
			}
			return nil, nil
		}))
	}
	upward := top.connect(t, "mid", mid.registry, nil)
	must(t, upward.Join(ctx, "mid"))
	dev := mid.connect(t, "dev", worker, nil)
	must(t, dev.Join(ctx, "dev"))
	must(t, upward.Announced(ctx))
	user := top.connect(t, "user", nil, nil)
	aborted, abort := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { _, err := user.Call(aborted, "/c/one", nil); done <- err }()
	for range 6 {
		<-running
	}
	began := time.Now()
	abort()
	wantCode(t, <-done, call.Aborted)
	for range 3 {
		s := <-stopped
		t.Logf("%s was stopped after %v", s.level, s.at.Sub(began))
	}
	close(release)
	for range 3 {
		<-finished
	}
}
