package call

import (
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// A second session.open ends the session, and the other side is told why although
// more frames came with it.
func TestSecondOpen(t *testing.T) {
	s, conn, frames := raw(t, NewRegistry(), Limits{})
	var b []byte
	for _, typ := range []string{wire.Open, wire.Open, wire.Ping} {
		b = wire.AppendEnvelope(b, typ, "", []byte(`{}`))
	}
	_, err := conn.Write(b)
	must(t, err)
	for env := next(t, frames); env.Type != wire.Failed; env = next(t, frames) {
	}
	<-s.Done()
	wantCode(t, s.Err(), ProtocolError)
}

func TestPeerWhileTheSessionIsOpened(t *testing.T) {
	s, conn, frames := raw(t, NewRegistry(), Limits{})
	send(t, conn, wire.Open, "", `{"agent":"x"}`)
	for s.Peer().Agent != "x" { // what -race looks at
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	}
	if env := next(t, frames); env.Type != wire.Opened {
		t.Errorf("answered with %s", env.Type)
	}
}

func TestRequestWithoutID(t *testing.T) {
	s, conn, _ := raw(t, echo(t, NewRegistry()), Limits{})
	send(t, conn, wire.Requested, "", `{"operationId":"/echo/echo"}`)
	<-s.Done()
	wantCode(t, s.Err(), ProtocolError)
}
