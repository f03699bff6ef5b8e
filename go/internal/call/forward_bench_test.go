package call

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

// BenchmarkCalls compares calls straight to a node with calls through a head, all in
// one process and over loopback TCP, with 256 callers and 100-byte payloads.
func BenchmarkCalls(b *testing.B) {
	n := newNetwork(b, echo(b, NewRegistry()), Limits{})
	_, direct := link(b, Config{Registry: n.offered, Identity: users["alice"]}, Config{Registry: NewRegistry()})
	input := json.RawMessage(`{"data":"` + strings.Repeat("x", 90) + `"}`)
	for _, c := range []struct {
		name, op string
		session  *Session
	}{{"direct", "/echo/echo", direct}, {"relayed", "/dev1/echo/echo", n.client}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var callers sync.WaitGroup
			left := make(chan struct{}, b.N)
			for range b.N {
				left <- struct{}{}
			}
			close(left)
			for range 256 {
				callers.Go(func() {
					for range left {
						if _, err := c.session.Call(context.Background(), c.op, input); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			callers.Wait()
		})
	}
}
