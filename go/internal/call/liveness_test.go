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
