package node

import (
	"context"
	"testing"

	"github.com/alkdev/alknet/go/internal/call"
)

// What it costs a call that a server counts it.
func BenchmarkCall(b *testing.B) {
	for name, observed := range map[string]bool{"plain": false, "observed": true} {
		b.Run(name, func(b *testing.B) {
			registry := call.NewRegistry()
			if observed {
				registry.SetObserver(newTelemetry("bench", nil, nil))
			}
			w := start(b, "tcp://127.0.0.1:0", func(c *HeadConfig) { c.Registry = registry; must(b, AddBuiltins(registry, Info{})) })
			client, err := w.connect(b, nil)
			must(b, err)
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := client.Call(context.Background(), "/echo/echo", 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
