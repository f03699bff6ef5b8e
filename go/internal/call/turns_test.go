package call

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

// narrow has a session take its peer for one with these limits.
func narrow(s *Session, inFlight, queued int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns.maxFlight, s.turns.maxBytes = inFlight, queued
}

// ask starts a call and returns where its answer comes.
func ask(s *Session, operation, input string, opts Options) (single, Outgoing) {
	answer := make(single, 1)
	out := s.Start(Single, operation, []byte(input), &opts, answer)
	s.Flush()
	return answer, out
}

// waits returns how many requests of a session wait, and how many are in flight.
func (s *Session) waits() (waiting, flight, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turns.waiting, s.turns.flight, s.turns.bytes
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		time.Sleep(time.Millisecond)
	}
}

// A peer that takes one request at a time gets one at a time, in the order of the calls,
// and none of them is refused.
func TestRequestsWaitInOrder(t *testing.T) {
	var mu sync.Mutex
	var order []string
	server := NewRegistry()
	must(t, server.Handle(OperationSpec{Name: "/a/b"}, func(_ context.Context, r *Request) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, string(r.Input()))
		return r.Input(), nil
	}))
	for _, inFlight := range []int{1, 3, 1024} {
		order = nil
		_, client := link(t, Config{Registry: server, Limits: Limits{MaxInFlight: inFlight}}, Config{Registry: NewRegistry()})
		answers := make([]single, 3000)
		for i := range answers {
			answers[i], _ = ask(client, "/a/b", fmt.Sprint(i), Options{})
		}
		for i, a := range answers {
			got, err := a.wait(context.Background(), Outgoing{}, &Options{})
			if err != nil || string(got) != fmt.Sprint(i) {
				t.Fatalf("at most %d: call %d gave %s, %v", inFlight, i, got, err)
			}
		}
		if inFlight == 1 {
			for i, input := range order {
				if input != fmt.Sprint(i) {
					t.Fatalf("request %d came as number %d", i, len(order))
				}
			}
		}
		if waiting, flight, bytes := client.waits(); waiting+flight+bytes != 0 || client.turns.ownBytes != 0 || client.turns.late != nil {
			t.Errorf("at most %d: %d requests wait, %d with %d bytes are in flight after all have ended", inFlight, waiting, flight, bytes)
		}
	}
}

// What is taken back while it waits leaves no trace at the peer; its place goes to the
// next one.
func TestRequestsThatStopWaiting(t *testing.T) {
	s, conn, frames := raw(t, NewRegistry(), Limits{})
	narrow(s, 1, 1<<20)
	first, _ := ask(s, "/a/b", "0", Options{})
	held := next(t, frames)
	answers, outs := make([]single, 7), make([]Outgoing, 7)
	for i := range answers {
		opts := Options{}
		if i == 4 {
			opts.Deadline = time.Now().Add(time.Millisecond)
		}
		answers[i], outs[i] = ask(s, "/a/b", fmt.Sprint(i+1), opts)
	}
	for _, i := range []int{0, 3, 6} { // the first, one in the middle, the last
		outs[i].Abort("no")
		outs[i].Abort("again")
	}
	for i, code := range map[int]Code{0: Aborted, 3: Aborted, 4: Timeout, 6: Aborted} {
		err := (<-answers[i]).err
		if wantCode(t, err, code); Sent(err) {
			t.Errorf("request %d: %v: it was sent", i, err)
		}
	}
	send(t, conn, wire.Responded, held.ID, `{"output":"ok"}`)
	must(t, (<-first).err)
	for _, i := range []int{1, 2, 5} {
		env := next(t, frames)
		if env.Type != wire.Requested || !strings.Contains(string(env.Payload), fmt.Sprintf(`"input":%d`, i+1)) {
			t.Fatalf("request %d: the peer got %s %s", i, env.Type, env.Payload)
		}
		send(t, conn, wire.Responded, env.ID, `{"output":1}`)
		must(t, (<-answers[i]).err)
	}
}

// The end of the session, also in order, rejects what waits at once.
func TestWaitingEndsWithTheSession(t *testing.T) {
	for what, end := range map[string]func(s *Session, send func(typ string)){
		"close":           func(s *Session, _ func(string)) { go s.Close("over") },
		"shutdown":        func(s *Session, _ func(string)) { go s.Shutdown(context.Background(), "over") },
		"session.closing": func(_ *Session, send func(string)) { send(wire.Closing) },
	} {
		s, conn, frames := raw(t, NewRegistry(), Limits{})
		var waiting atomic.Int64
		s.cfg.Waiting = &waiting
		narrow(s, 1, 1<<20)
		sent, _ := ask(s, "/a/b", "0", Options{})
		next(t, frames)
		answers := make([]single, 1000)
		for i := range answers {
			answers[i], _ = ask(s, "/a/b", fmt.Sprint(i), Options{})
		}
		if waiting.Load() != 1000 {
			t.Errorf("%s: %d requests wait", what, waiting.Load())
		}
		end(s, func(typ string) { send(t, conn, typ, "", `{}`) })
		for _, a := range answers {
			err := (<-a).err
			if wantCode(t, err, Unavailable); Sent(err) {
				t.Fatalf("%s: %v: it was sent", what, err)
			}
		}
		late, _ := ask(s, "/a/b", "1", Options{})
		if err := (<-late).err; CodeOf(err) != Unavailable || Sent(err) {
			t.Errorf("%s: a later one: %v", what, err)
		}
		if waiting.Load() != 0 {
			t.Errorf("%s: %d requests wait after the end", what, waiting.Load())
		}
		s.Close("over")
		if err := (<-sent).err; CodeOf(err) != Unavailable || !Sent(err) {
			t.Errorf("%s: the one that was sent: %v", what, err)
		}
	}
}

func TestWaitingIsBounded(t *testing.T) {
	for _, c := range []struct {
		limits Limits
		input  int // bytes
		taken  int
		text   string
	}{
		{Limits{MaxWaiting: 3}, 1, 3, "3 requests wait for the peer (limits.maxWaiting)"},
		{Limits{MaxWaiting: -1}, 1, 0, "none may wait (limits.maxWaiting)"},
		{Limits{MaxQueued: 1 << 20}, 400 << 10, 2, "(limits.maxQueued)"},
		{Limits{MaxQueued: 1 << 16}, 400 << 10, 1, "(limits.maxQueued)"}, // one of any size
	} {
		s, _, frames := raw(t, NewRegistry(), c.limits)
		narrow(s, 1, 1<<20)
		ask(s, "/a/b", "0", Options{})
		next(t, frames)
		input := `"` + strings.Repeat("x", c.input-1) + `"`
		for range c.taken {
			if a, _ := ask(s, "/a/b", input, Options{}); len(a) > 0 {
				t.Fatalf("%+v: %v", c.limits, (<-a).err)
			}
		}
		a, _ := ask(s, "/a/b", input, Options{})
		err := (<-a).err
		wantCode(t, err, ResourceExhausted)
		if e := err.(*Error); !strings.Contains(e.Message, c.text) || !e.Retryable || Sent(err) {
			t.Errorf("%+v: %v, retryable %v, sent %v", c.limits, err, e.Retryable, Sent(err))
		}
	}
}

// Inputs in flight have at most maxQueued of the peer's bytes, and one that has more goes
// alone; small ones do not overtake it.
func TestLargeRequestsWait(t *testing.T) {
	s, conn, frames := raw(t, NewRegistry(), Limits{})
	narrow(s, 100, 1000)
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	answers := []single{}
	for _, size := range []int{600, 300, 300, 2000, 1} {
		a, _ := ask(s, "/a/b", text(max(size, 2)), Options{})
		answers = append(answers, a)
	}
	var ids []string
	take := func(n int) {
		t.Helper()
		for range n {
			ids = append(ids, next(t, frames).ID)
		}
		send(t, conn, wire.Ping, "p", "{}")
		if env := next(t, frames); env.Type != wire.Pong {
			t.Fatalf("more requests than fit: %s", env.Payload)
		}
	}
	give := func(i int) {
		t.Helper()
		send(t, conn, wire.Responded, ids[i], `{"output":1}`)
		must(t, (<-answers[i]).err)
	}
	take(2) // 900 bytes
	give(0)
	take(1) // 600
	give(1)
	take(0)
	give(2)
	take(1) // the large one, alone
	give(3)
	take(1)
	give(4)
}

// A frame that leaves late has the time that is left, and what is too large is refused
// while it would wait.
func TestWaitingTakesTime(t *testing.T) {
	s, conn, frames := raw(t, NewRegistry(), Limits{})
	narrow(s, 1, 1<<20)
	ask(s, "/a/b", "0", Options{})
	held := next(t, frames)
	start := time.Now()
	ask(s, "/a/b", "1", Options{Deadline: start.Add(time.Minute)})
	large, _ := ask(s, "/a/b", `"`+strings.Repeat("x", wire.DefaultMaxFrame)+`"`, Options{})
	wantCode(t, (<-large).err, InvalidInput)
	eventually(t, "time stands still", func() bool { return time.Since(start) > 20*time.Millisecond })
	send(t, conn, wire.Responded, held.ID, `{"output":1}`)
	p, bad := parseParams(next(t, frames).Payload)
	if bad != nil || p.deadline.IsZero() {
		t.Fatalf("%+v, %v", p, bad)
	}
	// The deadline as it was read here is that of the caller, give or take a begun ms.
	if off := p.deadline.Sub(start.Add(time.Minute)).Abs(); off > 5*time.Second {
		t.Errorf("the deadline moved by %v", off)
	}
	sub := newSubscription(&Options{})
	sub.request = s.Start(Stream, "/a/c", nil, &Options{}, sub)
	sub.request.Credit(7) // follows the request
	if waiting, _, _ := s.waits(); waiting != 1 {
		t.Fatalf("%d wait", waiting)
	}
	send(t, conn, wire.Responded, "a2", `{"output":1}`)
	if env := next(t, frames); env.Type != wire.Requested {
		t.Fatalf("%s came first", env.Type)
	}
	if env := next(t, frames); env.Type != wire.Credit || string(env.Payload) != `{"n":7}` {
		t.Errorf("%s %s", env.Type, env.Payload)
	}
}

func TestLongWaitsAreLogged(t *testing.T) {
	var mu sync.Mutex
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &text}, nil))
	s, _, frames := raw(t, NewRegistry(), Limits{})
	s.cfg.Logger, s.turns.patience = log, 5*time.Millisecond
	narrow(s, 1, 1<<20)
	ask(s, "/a/b", "0", Options{})
	next(t, frames)
	_, out := ask(s, "/a/b", "1", Options{})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(text.String(), "requests wait for the peer")
	}
	eventually(t, "nothing was logged twice", func() bool { return count() >= 2 })
	out.Abort("enough")
	s.mu.Lock()
	running := s.turns.late != nil
	s.mu.Unlock()
	if running {
		t.Error("the clock runs on while nothing waits")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

// Calls that are stopped among many slow ones never have the peer refuse one.
func TestStoppedCallsFreeTheirPlace(t *testing.T) {
	var refused atomic.Int64
	server := NewRegistry()
	must(t, server.Handle(OperationSpec{Name: "/a/slow"}, func(ctx context.Context, r *Request) (any, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
			return 1, nil
		}
	}))
	_, client := link(t, Config{Registry: server, Limits: Limits{MaxInFlight: 8}}, Config{Registry: NewRegistry()})
	var all sync.WaitGroup
	for i := range 600 {
		opts := Options{}
		if i%3 == 1 {
			opts.Deadline = time.Now().Add(time.Duration(i%50) * time.Millisecond)
		}
		a, out := ask(client, "/a/slow", "1", opts)
		all.Go(func() {
			if i%3 == 0 {
				out.Abort("changed my mind")
			}
			if err := (<-a).err; err != nil && CodeOf(err) == ResourceExhausted {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if refused.Load() > 0 {
		t.Errorf("the peer refused %d", refused.Load())
	}
	if got, err := client.Call(context.Background(), "/a/slow", 1); err != nil || string(got) != "1" {
		t.Errorf("the next call: %s, %v", got, err)
	}
	eventually(t, "places are lost", func() bool { _, flight, bytes := client.waits(); return flight == 0 && bytes == 0 })
}

// One caller's requests to a worker leave room for others, whose turns come in between.
func TestCallersShareAWorker(t *testing.T) {
	head := NewRegistry()
	worker, _, frames := raw(t, head, Limits{})
	o, err := NewRemote(worker, "/w", OperationSpec{Name: "/x/y", Type: TypeSubscription}, 0)
	must(t, err)
	head.SetRouter(routes{"/w/x/y": o})
	client := func(name string) (*Session, net.Conn) {
		a, b := connPair(t)
		s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: head, KeyProven: true, Identity: &auth.Identity{ID: name}, Limits: Limits{MaxInFlight: 4000}})
		must(t, err)
		t.Cleanup(func() { b.Close(); s.Close("test over") })
		return s, b
	}
	inFlight := func(name string) int {
		worker.mu.Lock()
		defer worker.mu.Unlock()
		if c := worker.turns.callers[callerKey{identity: name}]; c != nil {
			return c.flight
		}
		return 0
	}
	go func() { // the worker takes all and answers nothing, but for pings
		for {
			if _, err := frames.Next(); err != nil {
				return
			}
		}
	}()
	sa, a := client("a")
	const many = 1100
	for i := range many {
		send(t, a, wire.Requested, fmt.Sprint(i), `{"operationId":"/w/x/y","window":4}`)
	}
	eventually(t, "the requests did not arrive", func() bool { sa.mu.Lock(); defer sa.mu.Unlock(); return len(sa.incoming) == many })
	alone := inFlight("a")
	if alone < 700 || alone > 800 {
		t.Errorf("one caller has %d in flight", alone)
	}
	sb, b := client("b")
	for i := range 40 {
		send(t, b, wire.Requested, fmt.Sprint(i), `{"operationId":"/w/x/y","window":4}`)
	}
	eventually(t, "the other caller has no share", func() bool { return inFlight("b") >= minShare })
	// While b waits for its turn nothing more of a goes than half.
	for i := range 600 {
		send(t, b, wire.Requested, fmt.Sprint(100+i), `{"operationId":"/w/x/y","window":4}`)
	}
	// All have to be there: while b does not wait, a may take more.
	eventually(t, "b's requests did not arrive", func() bool { sb.mu.Lock(); defer sb.mu.Unlock(); return len(sb.incoming) == 640 })
	eventually(t, "b does not wait", func() bool {
		worker.mu.Lock()
		defer worker.mu.Unlock()
		return worker.turns.callers[callerKey{identity: "b"}].waiting > 0
	})
	before := inFlight("a")
	for i := range 300 { // those in flight; their places go to b
		send(t, a, wire.Aborted, fmt.Sprint(i), `{}`)
	}
	eventually(t, "what was stopped keeps its place", func() bool { return inFlight("a") <= before-250 && inFlight("b") > 200 })
	if n := inFlight("a"); n > 512 {
		t.Errorf("a has %d in flight while b waits", n)
	}
	// What ends while it waits is gone at once.
	for i := 300; i < many; i++ {
		send(t, a, wire.Aborted, fmt.Sprint(i), `{}`)
	}
	eventually(t, "what was stopped is kept", func() bool {
		worker.mu.Lock()
		defer worker.mu.Unlock()
		c := worker.turns.callers[callerKey{identity: "a"}]
		return c == nil || c.flight == 0 && c.waiting == 0 && c.first == nil
	})
}
