package node

import (
	"path/filepath"
	"runtime"
	"testing"
)

// What sessions that wait hold, of the head and of the client together, which live in
// this process both: docs/scale.md has the head's part, measured from outside. The bounds
// leave room for another version of Go or of quic-go, and none for a buffer that is
// large, or for a goroutine.
func TestIdleSessionsAreSmall(t *testing.T) {
	const sessions = 40
	for name, c := range map[string]struct {
		listen     string
		bytes      int64 // live objects and stacks, each session
		goroutines int
	}{
		"unix": {"unix://" + filepath.Join(t.TempDir(), "s"), 30 << 10, 3},
		"tls":  {"tls://127.0.0.1:0", 80 << 10, 3},
		"quic": {"quic://127.0.0.1:0", 200 << 10, 11},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, c.listen, nil)
			open := func() {
				t.Helper()
				client, err := w.connect(t, nil)
				must(t, err)
				if _, err := client.Call(t.Context(), "/echo/echo", "hello"); err != nil {
					t.Fatal(err)
				}
				<-w.sessions
			}
			open() // what is made once
			before, goroutines := held()
			for range sessions {
				open()
			}
			after, running := held()
			each := (after - before) / sessions
			t.Logf("%d bytes, %.2f goroutines", each, float64(running-goroutines)/sessions)
			if each > c.bytes {
				t.Errorf("a session holds %d bytes, at most %d are meant", each, c.bytes)
			}
			if got := running - goroutines; got > c.goroutines*sessions+sessions/4 {
				t.Errorf("%d sessions have %d goroutines, %d each are meant", sessions, got, c.goroutines)
			}
		})
	}
}

// held is what live objects and stacks take, and how many goroutines there are.
func held() (bytes int64, goroutines int) {
	runtime.GC() // stacks shrink by half a time
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}
