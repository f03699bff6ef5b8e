package call

import (
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// A frame that takes longer than the session may be silent is not silence.
func TestSlowFrame(t *testing.T) {
	_, conn, frames := raw(t, echo(t, NewRegistry()), Limits{PingInterval: 20 * time.Millisecond, DeadAfter: 100 * time.Millisecond})
	frame := wire.AppendEnvelope(nil, wire.Requested, "1", []byte(`{"operationId":"/echo/echo","input":"`+strings.Repeat("x", 200)+`"}`))
	go func() {
		pace := time.NewTicker(time.Millisecond) // 0.3 s in all
		defer pace.Stop()
		for i := range frame {
			<-pace.C
			if _, err := conn.Write(frame[i : i+1]); err != nil {
				return
			}
		}
	}()
	for env := next(t, frames); env.ID != "1"; env = next(t, frames) {
	}
}

// Silence ends a session only behind a ping that was not answered: the silence may be
// that of this machine, which has slept.
func TestSilenceBeforeAPing(t *testing.T) {
	s, conn, frames := raw(t, echo(t, NewRegistry()), Limits{PingInterval: time.Hour, DeadAfter: 2 * time.Hour})
	asleep := func() { s.lastRead.Store(time.Now().Add(-3 * time.Hour).UnixNano()) }
	asleep()
	s.probe()
	if env := next(t, frames); env.Type != wire.Ping || s.Err() != nil {
		t.Fatalf("%s, and the session: %v", env.Type, s.Err())
	}
	send(t, conn, wire.Pong, "", "{}")
	send(t, conn, wire.Requested, "1", `{"operationId":"/echo/echo","input":1}`)
	if env := next(t, frames); env.ID != "1" { // the pong was read before it
		t.Fatalf("%s %s", env.Type, env.ID)
	}
	asleep() // again
	s.asked = s.lastRead.Load() - 1
	s.probe()
	if env := next(t, frames); env.Type != wire.Ping || s.Err() != nil {
		t.Fatalf("%s, and the session: %v", env.Type, s.Err())
	}
	s.probe() // and no answer came
	wantCode(t, s.Err(), Unavailable)
}
