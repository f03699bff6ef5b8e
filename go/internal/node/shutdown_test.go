package node

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

// A shutdown under load drops no call that was accepted: what a handler has answered
// arrives, and every other call fails with a code that says so.
func TestShutdownUnderLoad(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			const clients, callers = 4, 16
			var answered, began, arrived, refused, calls atomic.Int64
			w := start(t, listen, func(c *HeadConfig) {
				c.OnSession = nil
				c.Drain = 20 * time.Second
				must(t, c.Registry.Handle(call.OperationSpec{Name: "/work/bit"}, func(ctx context.Context, req *call.Request) (any, error) {
					began.Add(1)
					timer := time.NewTimer(3 * time.Millisecond) // so that many are under way
					defer timer.Stop()
					select {
					case <-timer.C:
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					answered.Add(1)
					return req.Input(), nil
				}))
			})
			var work sync.WaitGroup
			loaded := make(chan struct{}) // closed when the load is on
			for range clients {
				client, err := w.connect(t, func(c *ClientConfig) { c.NoReconnect = true })
				must(t, err)
				for range callers {
					work.Go(func() {
						for {
							n := calls.Add(1)
							if n == 500 {
								close(loaded)
							}
							got, err := client.Call(context.Background(), "/work/bit", n)
							switch {
							case err == nil && string(got) == fmt.Sprint(n):
								arrived.Add(1)
							case call.CodeOf(err) == call.Unavailable:
								refused.Add(1)
								return
							default:
								t.Errorf("call %d: %s, %v", n, got, err)
								return
							}
						}
					})
				}
			}
			<-loaded
			must(t, w.head.Shutdown(context.Background()))
			work.Wait()
			t.Logf("%d calls, %d answered by the handler, %d answers arrived, %d told that the node is shutting down", calls.Load(), answered.Load(), arrived.Load(), refused.Load())
			if answered.Load() != arrived.Load() || began.Load() != answered.Load() || arrived.Load()+refused.Load() != calls.Load() {
				t.Error("an accepted call was dropped")
			}
		})
	}
}

// What outlasts the drain is told so, and the end does not wait for it.
func TestShutdownAbortsWhatOutlastsTheDrain(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			started := make(chan struct{}, 1)
			w := start(t, listen, func(c *HeadConfig) {
				c.Drain = 50 * time.Millisecond
				must(t, c.Registry.Handle(call.OperationSpec{Name: "/work/long"}, func(ctx context.Context, _ *call.Request) (any, error) {
					started <- struct{}{}
					<-ctx.Done()
					return nil, ctx.Err()
				}))
			})
			client, err := w.connect(t, func(c *ClientConfig) { c.NoReconnect = true })
			must(t, err)
			failed := make(chan error, 1)
			go func() {
				_, err := client.Call(context.Background(), "/work/long", nil)
				failed <- err
			}()
			<-started
			must(t, w.head.Shutdown(context.Background()))
			err = <-failed
			wantCode(t, err, call.Unavailable)
			if !strings.Contains(err.Error(), "the node is shutting down") {
				t.Errorf("the caller is told %v", err)
			}
			// While it drains, nobody new is let in: here, not after the end either.
			if _, err := w.connect(t, func(c *ClientConfig) { c.Timeout = 2 * time.Second }); err == nil {
				t.Error("a client connected after the shutdown")
			}
		})
	}
}
