package call

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// discard is a link that takes all bytes at once and brings none.
type discard struct{ closed chan struct{} }

func (d discard) Read([]byte) (int, error)        { <-d.closed; return 0, context.Canceled }
func (d discard) Write(p []byte) (int, error)     { return len(p), nil }
func (d discard) TryWrite(p []byte) (bool, error) { return true, nil }
func (d discard) KeepsAlive() bool                { return true }
func (d discard) Close(string) error              { close(d.closed); return nil }
func (d discard) dispatch(s *Session, frame []byte) error {
	env, err := wire.ParseEnvelope(frame[wire.HeaderSize:])
	if err != nil {
		return err
	}
	var b batch
	defer b.flush()
	return s.dispatch(env, false, &b)
}

// ignored is a sink that keeps nothing.
type ignored struct{}

func (ignored) Responded([]byte) {}
func (ignored) Event([]byte)     {}
func (ignored) Completed()       {}
func (ignored) Failed(*Error)    {}

// hotPaths are what a session does once for each call, event or grant of credit, without
// the connection below it: each with the allocations that it may cost, of 100-byte
// payloads. They are the parts of BenchmarkHotPath.
func hotPaths(tb testing.TB) []hotPath {
	payload := `{"data":"` + strings.Repeat("x", 90) + `"}`
	var subscription *Request
	registry := NewRegistry()
	must(tb, registry.HandleAsync(OperationSpec{
		Name: "/echo/echo", AccessControl: AccessControl{RequiredScopes: []string{"fs:read"}},
		InputSchema: json.RawMessage(`{"type":"object","required":["data"],"properties":{"data":{"type":"string"}}}`),
	}, func(r *Request) { _ = r.Respond(r.Input()) }))
	must(tb, registry.HandleAsync(OperationSpec{Name: "/echo/plain"}, func(r *Request) { _ = r.Respond(r.Input()) }))
	must(tb, registry.HandleAsync(OperationSpec{Name: "/echo/clock", Type: TypeSubscription}, func(r *Request) { subscription = r }))
	link := discard{make(chan struct{})}
	head, err := Accept(context.Background(), link, Config{Registry: registry, KeyProven: true, Identity: users["alice"]})
	must(tb, err)
	other := discard{make(chan struct{})}
	caller := newSession(other, Config{Registry: NewRegistry()})
	caller.nextID = 118 // a text of one byte costs nothing
	caller.start()
	tb.Cleanup(func() { head.Close("test over"); caller.Close("test over") })

	frame := func(typ, id, payload string) []byte { return wire.AppendEnvelope(nil, typ, id, []byte(payload)) }
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	// What waits to be written is written by a goroutine at last; here it is, each time.
	drain := func(s *Session) {
		s.out.flushEagerly()
		s.out.drain()
	}
	request := func(operation string) []byte {
		return frame(wire.Requested, "117", `{"operationId":"`+operation+`","input":`+payload+`}`)
	}
	plain, checked := request("/echo/plain"), request("/echo/echo")
	check(link.dispatch(head, frame(wire.Requested, "118", `{"operationId":"/echo/clock","input":null,"window":1000000000}`)))
	if subscription == nil {
		tb.Fatal("the subscription was not taken")
	}
	credit := frame(wire.Credit, "118", `{"n":128}`)
	answer := []byte(`{"output":` + payload + `}`)
	stream := caller.Start(Stream, "/echo/clock", nil, &Options{Window: MaxWindow}, ignored{})
	event := frame(wire.Responded, "119", string(answer))
	options, input, built := &Options{}, []byte(payload), []byte(nil)
	return []hotPath{
		{"call, caller", 4, func() {
			caller.Start(Single, "/echo/echo", input, options, ignored{})
			drain(caller)
			built = wire.AppendEnvelope(built[:0], wire.Responded, strconv.FormatUint(caller.nextID, 10), answer)
			check(other.dispatch(caller, built))
		}},
		{"call, handler", 5, func() {
			check(link.dispatch(head, plain))
			drain(head)
		}},
		{"call, handler with a schema and a scope", 25, func() {
			check(link.dispatch(head, checked))
			drain(head)
		}},
		{"event, sender", 1, func() {
			check(subscription.TrySend(input))
			drain(head)
		}},
		{"event, receiver", 1, func() { check(other.dispatch(caller, event)) }},
		{"credit, giver", 2, func() {
			stream.Credit(128)
			drain(caller)
		}},
		{"credit, taker", 1, func() { check(link.dispatch(head, credit)) }},
	}
}

type hotPath struct {
	name   string
	allocs float64 // at most
	run    func()
}

// What a call, an event and a grant of credit allocate does not grow unnoticed.
func TestAllocations(t *testing.T) {
	for _, p := range hotPaths(t) {
		t.Run(p.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(2000, p.run); got > p.allocs {
				t.Errorf("%.0f allocations, at most %.0f are meant", got, p.allocs)
			}
		})
	}
}

// docs/benchmarks.md has the same numbers.
func TestAllocationsAreTold(t *testing.T) {
	page, err := os.ReadFile("../../../docs/benchmarks.md")
	must(t, err)
	for _, p := range hotPaths(t) {
		if row := fmt.Sprintf("\n| %s | %.0f | ", p.name, p.allocs); !strings.Contains(string(page), row) {
			t.Errorf("docs/benchmarks.md has no row %q", row)
		}
	}
}

func BenchmarkHotPath(b *testing.B) {
	for _, p := range hotPaths(b) {
		b.Run(strings.ReplaceAll(p.name, ", ", "/"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.run()
			}
		})
	}
}
