package call

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// stingyLink takes two writes and then no more until it is closed.
type stingyLink struct {
	net.Conn
	closed chan struct{}
	writes int
}

func (l *stingyLink) Close(string) error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return l.Conn.Close()
}
func (l *stingyLink) KeepsAlive() bool { return true }
func (l *stingyLink) Write(p []byte) (int, error) {
	if l.writes++; l.writes <= 2 {
		return len(p), nil
	}
	<-l.closed
	return 0, errors.New("closed")
}

// A peer that does not read holds up a shutdown for a moment only.
func TestShutdownOfAPeerThatDoesNotRead(t *testing.T) {
	a, b := connPair(t)
	defer b.Close()
	server := NewRegistry()
	started := make(chan struct{}, 3)
	must(t, server.Handle(OperationSpec{Name: "/hang/hang"}, func(ctx context.Context, _ *Request) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	s, err := Accept(context.Background(), &stingyLink{Conn: a, closed: make(chan struct{})}, Config{Registry: server, KeyProven: true})
	must(t, err)
	for i := range 3 {
		send(t, b, wire.Requested, strconv.Itoa(i), `{"operationId":"/hang/hang"}`)
		<-started
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(now, "the end") // hangs where it is wrong
}

// A subscription whose stream of its own is lost is ended, and so is the handler of
// one whose reader has gone.
func TestLostStream(t *testing.T) {
	a, b := connPair(t)
	link := pipeLink{tcpLink{a}, make(chan ReceiveStream)}
	s, err := Accept(context.Background(), link, Config{Registry: NewRegistry(), KeyProven: true})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	frames := wire.NewReader(b, 0)
	sub, err := s.Subscribe(context.Background(), "/peer/stream", nil)
	must(t, err)
	r, w := newPipe()
	link.streams <- r
	send(t, w, wire.Responded, next(t, frames).ID, `{"output":1}`)
	must(t, w.Close())
	_, err = sub.Next(context.Background())
	must(t, err)
	_, err = sub.Next(context.Background())
	wantCode(t, err, Unavailable)
}

// brokenSink is somebody's defect.
type brokenSink struct{ Sink }

func (brokenSink) Responded([]byte) { panic("a defect") }
func (brokenSink) Failed(*Error)    {}

// A defect that the reading goroutine meets ends its session and nothing else.
func TestDefectEndsTheSessionAlone(t *testing.T) {
	registry := echo(t, NewRegistry())
	_, broken := pair(t, registry, NewRegistry(), Limits{})
	_, other := pair(t, registry, NewRegistry(), Limits{})
	broken.Start(Single, "/echo/echo", []byte("1"), &Options{}, brokenSink{})
	broken.Flush()
	<-broken.Done()
	wantCode(t, broken.Err(), Internal)
	if got, err := other.Call(context.Background(), "/echo/echo", 2); err != nil || string(got) != "2" {
		t.Errorf("the other session: %s, %v", got, err)
	}
}
