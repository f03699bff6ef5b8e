package call

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// halfLink is a link that can end its writing side alone.
type halfLink struct{ tcpLink }

func (l halfLink) CloseWrite() error { return l.Conn.(*net.TCPConn).CloseWrite() }

// The last frame arrives although the other side is still writing, and a second later
// the connection is closed whatever the other side does.
func TestLastFrameArrivesWhileTheOtherSideWrites(t *testing.T) {
	a, b := connPair(t)
	s, err := Accept(context.Background(), halfLink{tcpLink{a}}, Config{Registry: NewRegistry(), KeyProven: true})
	must(t, err)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, _ = b.Write([]byte{0, 0, 0, 0}) // malformed
		for junk := make([]byte, 64<<10); ; {
			if _, err := b.Write(junk); err != nil {
				return
			}
		}
	}()
	frames := wire.NewReader(b, 0)
	if env := next(t, frames); env.ID != "" || parseError(env.Payload).Code != ProtocolError {
		t.Errorf("%s %s", env.Type, env.Payload)
	}
	if _, err := frames.Next(); err != io.EOF {
		t.Errorf("after the last frame: %v, want the end of the stream", err)
	}
	<-stopped // it was closed, not read for ever
	<-s.Done()
}
