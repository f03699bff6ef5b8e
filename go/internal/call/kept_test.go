package call

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// hanging is a registry whose operations do not end.
func hanging(t *testing.T) *Registry {
	r := echo(t, NewRegistry())
	must(t, r.Handle(OperationSpec{Name: "/hang/hang"}, func(ctx context.Context, _ *Request) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	return r
}

// inputsHeld returns what a session counts.
func (s *Session) inputsHeld() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// What a request keeps of its frame is counted, and what is not counted is let go.
func TestFramesAreNotKept(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for what, c := range map[string]struct {
		members string
		counted int
	}{
		"metadata":          {`"metadata":{"a":"` + large + `"}`, 1 << 20},
		"an unknown member": {`"other":"` + large + `"`, 4},
		"spaces":            {strings.Repeat(" ", 1<<20) + `"hops":0`, 4},
	} {
		s, conn, frames := raw(t, hanging(t), Limits{MaxQueued: 4 << 20})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		const requests = 16
		for i := range requests {
			send(t, conn, wire.Requested, fmt.Sprint(i), `{"operationId":"/hang/hang","input":null,`+c.members+`}`)
		}
		send(t, conn, wire.Requested, "last", `{"operationId":"/echo/echo","input":1}`)
		refused := 0
		for env := next(t, frames); env.ID != "last"; env = next(t, frames) {
			wantCode(t, parseError(env.Payload), ResourceExhausted)
			refused++
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 6<<20 {
			t.Errorf("%s: %d requests keep %d bytes", what, requests-refused, grown)
		}
		if held := s.inputsHeld(); held < (requests-refused)*c.counted || held > 4<<20 || refused == 0 != (c.counted < 1<<20) {
			t.Errorf("%s: %d bytes count, %d were refused", what, held, refused)
		}
	}
	s, conn, frames := raw(t, hanging(t), Limits{})
	send(t, conn, wire.Requested, "1", `{"operationId":"/hang/hang","authToken":"`+large+`"}`)
	wantCode(t, parseError(next(t, frames).Payload), InvalidInput)
	if s.inputsHeld() != 0 {
		t.Errorf("%d bytes count", s.inputsHeld())
	}
}

// All sessions of a node have one budget beside their own.
func TestBudgetOfTheNode(t *testing.T) {
	var kept Budget
	kept.SetLimits(Limits{MaxQueued: 1 << 16})
	input := `{"operationId":"/hang/hang","input":"` + strings.Repeat("x", 67<<10) + `"}`
	type peer struct {
		conn   net.Conn
		frames *wire.Reader
	}
	var peers []peer
	for range nodeShare + 1 {
		a, b := connPair(t)
		s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: hanging(t), KeyProven: true, Identity: users["alice"], Limits: Limits{MaxQueued: 1 << 16}, Kept: &kept})
		must(t, err)
		t.Cleanup(func() { b.Close(); s.Close("test over") })
		peers = append(peers, peer{b, wire.NewReader(b, 0)})
	}
	settle := func(p peer) (refused bool) {
		t.Helper()
		send(t, p.conn, wire.Ping, "p", "{}")
		for env := next(t, p.frames); env.Type != wire.Pong; env = next(t, p.frames) {
			wantCode(t, parseError(env.Payload), ResourceExhausted)
			refused = true
		}
		return refused
	}
	for i, p := range peers {
		send(t, p.conn, wire.Requested, "1", input)
		if refused := settle(p); refused != (i == nodeShare) {
			t.Errorf("session %d: refused %v with %d bytes kept", i, refused, kept.Used())
		}
	}
	send(t, peers[0].conn, wire.Aborted, "1", "{}")
	settle(peers[0])
	last := peers[nodeShare]
	send(t, last.conn, wire.Requested, "2", input)
	if settle(last) {
		t.Error("what was given back is not there")
	}
	for _, p := range peers {
		p.conn.Close()
	}
	eventually(t, "sessions that have ended keep something", func() bool { return kept.Used() == 0 })
}

// A head counts the inputs that it forwards, from their arrival to their end.
func TestForwardedInputsAreCounted(t *testing.T) {
	n := newNetwork(t, hanging(t), Limits{MaxQueued: 1 << 20})
	a, b := connPair(t)
	s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: n.head, KeyProven: true, Identity: users["alice"], Limits: Limits{MaxQueued: 1 << 20}})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	frames := wire.NewReader(b, 0)
	for i := range 3 {
		send(t, b, wire.Requested, fmt.Sprint(i), `{"operationId":"/dev1/hang/hang","input":"`+strings.Repeat("x", 400<<10)+`"}`)
	}
	env := next(t, frames)
	if wantCode(t, parseError(env.Payload), ResourceExhausted); env.ID != "2" {
		t.Errorf("request %s was refused", env.ID)
	}
	send(t, b, wire.Aborted, "0", "{}")
	send(t, b, wire.Aborted, "1", "{}")
	send(t, b, wire.Ping, "p", "{}")
	for env := next(t, frames); env.Type != wire.Pong; env = next(t, frames) {
		t.Errorf("%s %s", env.Type, env.Payload)
	}
	if held := s.inputsHeld(); held != 0 {
		t.Errorf("%d bytes count after the end", held)
	}
}

// slowLink takes bytes only once it is let.
type slowLink struct {
	tcpLink
	let chan struct{}
}

func (l slowLink) Write(p []byte) (int, error) {
	<-l.let
	return l.tcpLink.Write(p)
}

// Credit is one frame a batch, and requests that are sent and stopped in turn do not
// add up: what waits for a worker that does not read does not grow with a caller's frames.
func TestQueueDoesNotGrowWithFrames(t *testing.T) {
	head := NewRegistry()
	a, b := connPair(t)
	let := make(chan struct{})
	worker, err := Accept(context.Background(), slowLink{tcpLink{a}, let}, Config{Registry: head, KeyProven: true, Identity: users["bob"]})
	must(t, err)
	t.Cleanup(func() { b.Close(); worker.Close("test over") })
	o, err := NewRemote(worker, "/w", OperationSpec{Name: "/x/y", Type: TypeSubscription}, 0)
	must(t, err)
	head.SetRouter(routes{"/w/x/y": o})
	_, caller, frames := raw(t, head, Limits{})
	request := `{"operationId":"/w/x/y","window":1}`
	send(t, caller, wire.Requested, "s", request)
	for range 5000 {
		send(t, caller, wire.Credit, "s", `{"n":2}`)
	}
	for i := range 3000 {
		send(t, caller, wire.Requested, fmt.Sprint(i), request)
		send(t, caller, wire.Aborted, fmt.Sprint(i), "{}")
	}
	send(t, caller, wire.Ping, "p", "{}")
	for env := next(t, frames); env.Type != wire.Pong; env = next(t, frames) {
	}
	if queued := worker.queued.Load(); queued > 512<<10 {
		t.Errorf("%d bytes wait for the worker", queued)
	}
	close(let)
	seen, credits := 0, 0
	at := wire.NewReader(b, 0)
	for total := 0; total < 10000; {
		if env := next(t, at); env.Type == wire.Credit {
			var n int
			if _, err := fmt.Sscanf(string(env.Payload), `{"n":%d}`, &n); err != nil {
				t.Fatal(err)
			}
			total += n
			credits++
		} else if env.Type == wire.Requested {
			seen++
		}
	}
	send(t, b, wire.Ping, "p", "{}")
	for env := next(t, at); env.Type != wire.Pong; env = next(t, at) {
		if env.Type == wire.Credit {
			credits++
		}
	}
	if credits > 3 {
		t.Errorf("the credit came in %d frames", credits)
	}
	if seen > 1024 {
		t.Errorf("%d requests were sent while nothing was read", seen)
	}
}

// While more than maxQueued bytes wait to be written requests wait, too.
func TestRequestsWaitForTheWriter(t *testing.T) {
	a, b := connPair(t)
	let := make(chan struct{})
	s, err := Accept(context.Background(), slowLink{tcpLink{a}, let}, Config{Registry: NewRegistry(), KeyProven: true, Limits: Limits{MaxQueued: 1 << 16}})
	must(t, err)
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	ask(s, "/a/b", `"`+strings.Repeat("x", 1<<17)+`"`, Options{})
	ask(s, "/a/b", "2", Options{})
	if waiting, flight, _ := s.waits(); waiting != 1 || flight != 1 {
		t.Errorf("%d wait, %d were sent", waiting, flight)
	}
	close(let)
	frames := wire.NewReader(b, 0)
	for range 2 {
		next(t, frames)
	}
}
