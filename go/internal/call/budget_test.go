package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// pipeLink is a Link whose further streams the test opens by hand.
type pipeLink struct {
	tcpLink
	streams chan ReceiveStream
}

type pipeStream struct{ *io.PipeReader }

func (s pipeStream) Cancel() { _ = s.CloseWithError(errors.New("cancelled")) }

func newPipe() (pipeStream, *io.PipeWriter) {
	r, w := io.Pipe()
	return pipeStream{r}, w
}

func (l pipeLink) OpenStream() (SendStream, error) { return nil, errors.New("none") }

func (l pipeLink) AcceptStream(ctx context.Context) (ReceiveStream, error) {
	select {
	case s := <-l.streams:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Many streams that each bring most of a large frame cost the node no more than its
// limit, and all of them are answered in the end.
func TestLargeFramesTakeTurns(t *testing.T) {
	const streams, size = 32, 1 << 20
	server := NewRegistry()
	must(t, server.Handle(OperationSpec{Name: "/size/size"}, func(_ context.Context, req *Request) (any, error) { return len(req.Input()), nil }))
	a, b := connPair(t)
	link := pipeLink{tcpLink{a}, make(chan ReceiveStream)}
	s, err := Accept(context.Background(), link, Config{Registry: server, KeyProven: true, Limits: Limits{MaxFrame: 2 * size, MaxQueued: 2 * size}})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	input := `"` + strings.Repeat("x", size) + `"`
	writers := make([]*io.PipeWriter, streams)
	rests := make([][]byte, streams)
	accepted := make(chan int, streams)
	for i := range streams {
		r, w := newPipe()
		writers[i] = w
		frame := wire.AppendEnvelope(nil, wire.Requested, fmt.Sprint(i), []byte(`{"operationId":"/size/size","input":`+input+`}`))
		link.streams <- r
		go func() {
			// Blocks in the streams that have to wait for their turn.
			n, _ := w.Write(frame[:size/2])
			if n == size/2 {
				accepted <- i
			}
		}()
		rests[i] = frame[size/2:]
	}
	first := <-accepted
	runtime.GC()
	runtime.ReadMemStats(&after)
	sent := uint64(streams) * (size + 100) // the frames themselves are the test's
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc) - int64(sent); grown > 4*size {
		t.Errorf("unfinished frames take %d bytes", grown)
	}
	frames := wire.NewReader(b, 0)
	answered := map[string]bool{}
	for i := first; ; i = <-accepted {
		_, err := writers[i].Write(rests[i])
		must(t, err)
		env := next(t, frames)
		if env.Type != wire.Responded || string(env.Payload) != fmt.Sprintf(`{"output":%d}`, len(input)) {
			t.Fatalf("%s: %s %s", env.ID, env.Type, env.Payload)
		}
		answered[env.ID] = true
		must(t, writers[i].Close())
		if len(answered) == streams {
			break
		}
	}
}

// The inputs of requests that nobody answers are bounded too.
func TestInputsInFlight(t *testing.T) {
	started := make(chan struct{}, 8)
	server := echo(t, NewRegistry())
	must(t, server.Handle(OperationSpec{Name: "/hang/hang"}, func(ctx context.Context, _ *Request) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	_, conn, frames := raw(t, server, Limits{MaxQueued: 1 << 20})
	large := `{"operationId":"/hang/hang","input":"` + strings.Repeat("x", 600<<10) + `"}`
	send(t, conn, wire.Requested, "1", large)
	<-started
	send(t, conn, wire.Requested, "2", large)
	if env := next(t, frames); env.ID != "2" || parseError(env.Payload).Code != ResourceExhausted {
		t.Errorf("the second one: %s %s", env.ID, env.Payload)
	}
	send(t, conn, wire.Requested, "3", `{"operationId":"/echo/echo","input":1}`)
	if env := next(t, frames); env.ID != "3" || env.Type != wire.Responded {
		t.Errorf("a small one: %s %s", env.ID, env.Payload)
	}
	send(t, conn, wire.Aborted, "1", "{}")
	send(t, conn, wire.Requested, "4", large)
	<-started
}
