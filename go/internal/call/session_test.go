package call

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tcpLink is the plainest Link: one loopback connection.
type tcpLink struct{ net.Conn }

func (l tcpLink) Close(string) error { return l.Conn.Close() }
func (l tcpLink) KeepsAlive() bool   { return false }

func connPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed := make(chan net.Conn, 1)
	go func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			panic(err)
		}
		dialed <- c
	}()
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return accepted, <-dialed
}

type tokens map[string]*auth.Identity

func (m tokens) IdentityFromToken(_ context.Context, token string) (*auth.Identity, error) {
	if id, ok := m[token]; ok {
		return id, nil
	}
	return nil, auth.ErrUnauthenticated
}

var users = tokens{
	"alice": {ID: "alice", Scopes: []string{"fs:*"}, Resources: map[string][]string{"project": {"p1"}}},
	"bob":   {ID: "bob"},
}

// pair opens a session between two registries; the dialling side is alice.
func pair(t testing.TB, server, client *Registry, limits Limits) (*Session, *Session) {
	t.Helper()
	a, b := connPair(t)
	type result struct {
		s   *Session
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: server, Tokens: users, Node: "head", Limits: limits})
		accepted <- result{s, err}
	}()
	dialed, err := Open(context.Background(), tcpLink{b}, Config{Registry: client, Limits: limits, Token: func() (string, error) { return "alice", nil }, Agent: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { dialed.Close("test over"); r.s.Close("test over") })
	return r.s, dialed
}

// raw opens a session whose other end the test plays by hand.
func raw(t testing.TB, server *Registry, limits Limits) (*Session, net.Conn, *wire.Reader) {
	t.Helper()
	a, b := connPair(t)
	s, err := Accept(context.Background(), tcpLink{a}, Config{Registry: server, KeyProven: true, Identity: users["alice"], Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); s.Close("test over") })
	return s, b, wire.NewReader(b, 0)
}

func send(t testing.TB, w io.Writer, typ, id, payload string) {
	t.Helper()
	if _, err := w.Write(wire.AppendEnvelope(nil, typ, id, []byte(payload))); err != nil {
		t.Fatal(err)
	}
}

func next(t testing.TB, r *wire.Reader) wire.Envelope {
	t.Helper()
	body, err := r.Next()
	if err != nil {
		t.Fatalf("waiting for a frame: %v", err)
	}
	env, err := wire.ParseEnvelope(body)
	if err != nil {
		t.Fatal(err)
	}
	env.Payload = bytes.Clone(env.Payload)
	return env
}

func echo(t testing.TB, r *Registry) *Registry {
	t.Helper()
	must(t, r.Handle(OperationSpec{Name: "/echo/echo"}, func(_ context.Context, req *Request) (any, error) { return req.Input(), nil }))
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code Code) {
	t.Helper()
	if CodeOf(err) != code || err == nil {
		t.Fatalf("error %v, want %s", err, code)
	}
}

func TestBothSidesCall(t *testing.T) {
	head, client := pair(t, echo(t, NewRegistry()), echo(t, NewRegistry()), Limits{})
	for name, s := range map[string]*Session{"dialling": client, "listening": head} {
		got, err := s.Call(context.Background(), "/echo/echo", json.RawMessage(`{"n":18446744073709551615,"f":1e400}`))
		if err != nil || string(got) != `{"n":18446744073709551615,"f":1e400}` {
			t.Errorf("%s side: %s, %v", name, got, err)
		}
	}
	if head.Identity().ID != "alice" || client.Peer().Node != "head" || client.Peer().Identity.ID != "alice" || head.Peer().Agent != "test/1" {
		t.Errorf("identities: %+v %+v %+v", head.Identity(), client.Peer(), head.Peer())
	}
	large := `"` + strings.Repeat("x", 4<<20) + `"`
	if got, err := client.Call(context.Background(), "/echo/echo", json.RawMessage(large)); err != nil || string(got) != large {
		t.Errorf("4 MiB: %d bytes, %v", len(got), err)
	}
	_, err := client.Call(context.Background(), "/echo/echo", json.RawMessage(`"`+strings.Repeat("x", 17<<20)+`"`))
	wantCode(t, err, InvalidInput)
}

func TestDispatchOrder(t *testing.T) {
	r := NewRegistry()
	ok := func(context.Context, *Request) (any, error) { return "ok", nil }
	schema := json.RawMessage(`{"type":"object","properties":{"a/b":{"type":"integer"}},"required":["a/b"]}`)
	must(t, r.Handle(OperationSpec{Name: "/a/hidden", Visibility: VisibilityInternal}, ok))
	must(t, r.Handle(OperationSpec{Name: "/a/admin", AccessControl: AccessControl{RequiredScopes: []string{"admin"}}, InputSchema: schema}, ok))
	must(t, r.Handle(OperationSpec{Name: "/a/fs", AccessControl: AccessControl{RequiredScopesAny: []string{"x", "fs:read"}}}, ok))
	must(t, r.Handle(OperationSpec{Name: "/a/schema", InputSchema: schema}, ok))
	must(t, r.Handle(OperationSpec{Name: "/a/project", AccessControl: AccessControl{ResourceType: "project", ResourceIDPath: "/in/0"}}, ok))
	_, client := pair(t, r, NewRegistry(), Limits{})
	for _, c := range []struct {
		op, input string
		want      Code
	}{
		{"/a/none", "1", NotFound}, {"/a/hidden", "1", NotFound},
		{"/a/admin", `"bad input"`, Forbidden}, {"/a/fs", "null", ""},
		{"/a/schema", `{"a/b":1}`, ""}, {"/a/schema", `{"a/b":"x"}`, InvalidInput}, {"/a/schema", `7`, InvalidInput},
		{"/a/project", `{"in":["p1"]}`, ""}, {"/a/project", `{"in":["p2"]}`, Forbidden}, {"/a/project", `{}`, Forbidden},
		{"/services/schema", `{"name":"/a/fs"}`, ""}, {"/services/schema", `{"name":"/a/admin"}`, NotFound}, {"/services/schema", `{"name":"/a/hidden"}`, NotFound}, {"/services/schema", `{}`, InvalidInput},
	} {
		_, err := client.Call(context.Background(), c.op, json.RawMessage(c.input))
		if c.want == "" && err != nil || c.want != "" && CodeOf(err) != c.want {
			t.Errorf("%s %s: %v, want %q", c.op, c.input, err, c.want)
		}
		var e *Error
		if c.op == "/a/schema" && c.input == `{"a/b":"x"}` && (!errors.As(err, &e) || !strings.Contains(string(e.Details), `"/a~1b"`)) {
			t.Errorf("details %s do not name the JSON pointer", e.Details)
		}
	}
	list, err := client.Call(context.Background(), "/services/list", nil)
	if err != nil || strings.Contains(string(list), "admin") || strings.Contains(string(list), "hidden") || !strings.Contains(string(list), `"/a/fs"`) {
		t.Errorf("list: %s, %v", list, err)
	}
}

// An operation wants all its required scopes: to be called, listed and described.
func TestEveryRequiredScope(t *testing.T) {
	r := NewRegistry()
	ok := func(context.Context, *Request) (any, error) { return "ok", nil }
	for name, scopes := range map[string][]string{"/a/first": {"fs:read", "none"}, "/a/second": {"none", "fs:read"}, "/a/both": {"fs:read", "fs:read"}} {
		must(t, r.Handle(OperationSpec{Name: name, AccessControl: AccessControl{RequiredScopes: scopes}}, ok))
	}
	_, client := pair(t, r, NewRegistry(), Limits{})
	for _, name := range []string{"/a/first", "/a/second"} {
		_, err := client.Call(context.Background(), name, nil)
		wantCode(t, err, Forbidden)
		_, err = client.Call(context.Background(), "/services/schema", map[string]string{"name": name})
		wantCode(t, err, NotFound)
	}
	_, err := client.Call(context.Background(), "/a/both", nil)
	must(t, err)
	list, err := client.Call(context.Background(), "/services/list", nil)
	must(t, err)
	if strings.Contains(string(list), "/a/first") || strings.Contains(string(list), "/a/second") || !strings.Contains(string(list), "/a/both") {
		t.Errorf("list: %s", list)
	}
}

func TestRegistration(t *testing.T) {
	r := echo(t, NewRegistry())
	h := func(context.Context, *Request) (any, error) { return nil, nil }
	if err := r.Handle(OperationSpec{Name: "/echo/echo"}, h); !errors.Is(err, ErrDuplicate) {
		t.Errorf("duplicate: %v", err)
	}
	for _, spec := range []OperationSpec{
		{Name: ""}, {Name: "/one"}, {Name: "a/b"}, {Name: "/a/../b"}, {Name: "/a/b c"}, {Name: "/a/b\n"}, {Name: "/a/" + strings.Repeat("x", 300)},
		{Name: "/a/b", Type: "what"}, {Name: "/a/b", Type: TypeSubscription}, {Name: "/a/b", Visibility: "secret"},
		{Name: "/a/b", InputSchema: json.RawMessage(`{"type":"nonsense"}`)}, {Name: "/a/b", InputSchema: json.RawMessage(`{`)}, {Name: "/a/b", InputSchema: json.RawMessage(`7`)},
		{Name: "/a/b", OutputSchema: json.RawMessage(`{"$ref":"file:///etc/passwd"}`)}, {Name: "/a/b", OutputSchema: json.RawMessage(`{"$ref":"http://127.0.0.1/x"}`)},
		{Name: "/a/b", ErrorSchemas: map[string]json.RawMessage{"lower": json.RawMessage(`{}`)}},
		{Name: "/a/b", AccessControl: AccessControl{RequiredScopes: []string{""}}}, {Name: "/a/b", AccessControl: AccessControl{ResourceType: "x"}},
	} {
		if err := r.Handle(spec, h); err == nil {
			t.Errorf("%+v was registered", spec)
		}
	}
	if r.Remove("/services/list") || !r.Remove("/echo/echo") || r.Remove("/echo/echo") {
		t.Error("Remove")
	}
}

func TestHandlerFaults(t *testing.T) {
	r := NewRegistry()
	release := make(chan struct{})
	must(t, r.Handle(OperationSpec{Name: "/h/throws"}, func(context.Context, *Request) (any, error) { return nil, errors.New("the password is hunter2") }))
	must(t, r.Handle(OperationSpec{Name: "/h/panics"}, func(context.Context, *Request) (any, error) { panic("hunter2") }))
	must(t, r.Handle(OperationSpec{Name: "/h/declared"}, func(context.Context, *Request) (any, error) {
		return nil, &Error{Code: "NO_FUNDS", Message: "too poor", Details: json.RawMessage(`{"need":5}`)}
	}))
	must(t, r.Handle(OperationSpec{Name: "/h/never"}, func(ctx context.Context, _ *Request) (any, error) { <-ctx.Done(); return "late", nil }))
	must(t, r.HandleAsync(OperationSpec{Name: "/h/twice"}, func(req *Request) {
		must(t, req.Respond(json.RawMessage("1")))
		if err := req.Respond(json.RawMessage("2")); !errors.Is(err, ErrEnded) {
			t.Errorf("second answer: %v", err)
		}
	}))
	must(t, r.HandleStream(OperationSpec{Name: "/h/yields"}, func(_ context.Context, _ *Request, send func(any) error) error {
		for {
			if err := send(1); err != nil {
				close(release)
				return send(2) // still refused
			}
		}
	}))
	head, client := pair(t, r, NewRegistry(), Limits{})
	ctx := context.Background()
	for _, op := range []string{"/h/throws", "/h/panics"} {
		_, err := client.Call(ctx, op, nil)
		wantCode(t, err, Internal)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s gave away %v", op, err)
		}
	}
	_, err := client.Call(ctx, "/h/declared", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != "NO_FUNDS" || string(e.Details) != `{"need":5}` || e.Retryable {
		t.Errorf("declared error: %#v", err)
	}
	_, err = client.Call(ctx, "/h/never", nil, WithTimeout(20*time.Millisecond))
	wantCode(t, err, Timeout)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = client.Call(canceled, "/h/never", nil)
	wantCode(t, err, Aborted)
	if got, err := client.Call(ctx, "/h/twice", nil); err != nil || string(got) != "1" {
		t.Errorf("twice: %s, %v", got, err)
	}
	sub, err := client.Subscribe(ctx, "/h/yields", nil)
	must(t, err)
	_, err = sub.Next(ctx)
	must(t, err)
	sub.Close()
	<-release
	if head.Stats().Dropped == 0 {
		t.Error("dropped events are not counted")
	}
}

// A handler that sets OnCancel a moment too late is told all the same.
func TestOnCancelAfterTheEnd(t *testing.T) {
	told := make(chan Code, 1)
	requests := make(chan *Request, 1)
	server := NewRegistry()
	must(t, server.HandleAsync(OperationSpec{Name: "/late/late"}, func(r *Request) { requests <- r }))
	_, conn, _ := raw(t, server, Limits{})
	send(t, conn, wire.Requested, "1", `{"operationId":"/late/late"}`)
	r := <-requests
	send(t, conn, wire.Aborted, "1", "{}")
	<-r.Context().Done()
	r.OnCancel(func(err *Error) { told <- err.Code })
	if code := <-told; code != Aborted {
		t.Errorf("told %s", code)
	}
}

func TestSubscriptionInOrderWithCredit(t *testing.T) {
	const events, window = 5000, 16
	var ahead, most atomic.Int64
	r := NewRegistry()
	must(t, r.HandleStream(OperationSpec{Name: "/s/count"}, func(_ context.Context, _ *Request, send func(any) error) error {
		for i := range events {
			if err := send(i); err != nil {
				return err
			}
			if n := ahead.Add(1); n > most.Load() {
				most.Store(n)
			}
		}
		return nil
	}))
	_, client := pair(t, r, NewRegistry(), Limits{})
	sub, err := client.Subscribe(context.Background(), "/s/count", nil, WithWindow(window))
	must(t, err)
	for i := range events {
		got, err := sub.Next(context.Background())
		if err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("event %d: %s, %v", i, got, err)
		}
		ahead.Add(-1)
	}
	if _, err := sub.Next(context.Background()); err != io.EOF {
		t.Fatalf("end: %v", err)
	}
	if most.Load() > window+window/2+1 {
		t.Errorf("the producer was %d events ahead of a window of %d", most.Load(), window)
	}
}

// The time in which a subscription may not send does not count as idle.
func TestIdleTimeoutBeginsWithCredit(t *testing.T) {
	const idle = 300 * time.Millisecond
	server := NewRegistry()
	must(t, server.HandleStream(OperationSpec{Name: "/idle/idle"}, func(ctx context.Context, _ *Request, send func(any) error) error {
		must(t, send(1))
		<-ctx.Done()
		return context.Cause(ctx)
	}))
	_, conn, frames := raw(t, server, Limits{})
	send(t, conn, wire.Requested, "1", fmt.Sprintf(`{"operationId":"/idle/idle","window":1,"idleTimeout":%d}`, idle.Milliseconds()))
	next(t, frames)
	<-time.After(idle - 50*time.Millisecond) // most of the clock's first round
	credit := time.Now()
	send(t, conn, wire.Credit, "1", `{"n":1}`)
	if env := next(t, frames); env.Type != wire.Failed || time.Since(credit) < idle-50*time.Millisecond {
		t.Errorf("%s %v after the credit", env.Type, time.Since(credit))
	}
}

func TestStalledReaderDelaysNobody(t *testing.T) {
	r := echo(t, NewRegistry())
	must(t, r.HandleStream(OperationSpec{Name: "/s/flood"}, func(_ context.Context, _ *Request, send func(any) error) error {
		for {
			if err := send(strings.Repeat("x", 1000)); err != nil {
				return err
			}
		}
	}))
	head, client := pair(t, r, NewRegistry(), Limits{})
	stalled, err := client.Subscribe(context.Background(), "/s/flood", nil)
	must(t, err)
	for range 200 {
		_, err := client.Call(context.Background(), "/echo/echo", 1, WithTimeout(10*time.Second))
		must(t, err)
	}
	stalled.mu.Lock()
	held := len(stalled.events)
	stalled.mu.Unlock()
	if held > DefaultWindow || head.queued.Load() > 1<<20 {
		t.Errorf("%d events held, %d bytes queued", held, head.queued.Load())
	}
	stalled.Close()
}

// A peer that sends more than it has credit for ends its own subscription, and
// nothing else.
func TestMoreEventsThanCredit(t *testing.T) {
	s, conn, frames := raw(t, echo(t, NewRegistry()), Limits{})
	sub, err := s.Subscribe(context.Background(), "/peer/flood", nil, WithWindow(3))
	must(t, err)
	id := next(t, frames).ID
	for range 4 {
		send(t, conn, wire.Responded, id, `{"output":1}`)
	}
	if env := next(t, frames); env.Type != wire.Aborted || env.ID != id {
		t.Errorf("the peer is told %s for %q", env.Type, env.ID)
	}
	for range 3 {
		_, err := sub.Next(context.Background())
		must(t, err)
	}
	_, err = sub.Next(context.Background())
	wantCode(t, err, ProtocolError)
	send(t, conn, wire.Requested, "1", `{"operationId":"/echo/echo"}`)
	if env := next(t, frames); env.Type != wire.Responded || env.ID != "1" {
		t.Errorf("after that: %s %q", env.Type, env.ID)
	}
}

// The two sides choose their ids alike; an abort of the peer's own request, late, is
// not to stop ours.
func TestLateAbortStopsNothingElse(t *testing.T) {
	running, release := make(chan struct{}), make(chan struct{})
	client := NewRegistry()
	must(t, client.Handle(OperationSpec{Name: "/slow/slow"}, func(context.Context, *Request) (any, error) {
		close(running)
		<-release
		return "done", nil
	}))
	server, dialed := pair(t, echo(t, NewRegistry()), client, Limits{})
	answers := make(chan error, 1)
	go func() {
		_, err := server.Call(context.Background(), "/slow/slow", nil)
		answers <- err
	}()
	_, err := dialed.Call(context.Background(), "/echo/echo", nil)
	must(t, err)
	<-running
	dialed.tellAborted(1, "late", nil)
	_, err = dialed.Call(context.Background(), "/echo/echo", nil) // behind the aborts
	must(t, err)
	close(release)
	must(t, <-answers)
}

func TestWithoutWindow(t *testing.T) {
	sent := make(chan int, 1)
	r := NewRegistry()
	must(t, r.HandleStream(OperationSpec{Name: "/s/flood"}, func(_ context.Context, _ *Request, send func(any) error) error {
		for i := 0; ; i++ {
			if err := send(strings.Repeat("x", 10_000)); err != nil {
				sent <- i
				return err
			}
		}
	}))
	_, conn, frames := raw(t, r, Limits{})
	send(t, conn, wire.Requested, "1", `{"operationId":"/s/flood"}`)
	n := <-sent // nothing is read until the producer was stopped
	got := 0
	for {
		env := next(t, frames)
		if env.Type == wire.Failed {
			wantCode(t, parseError(env.Payload), ResourceExhausted)
			break
		}
		got++
	}
	if got != n {
		t.Errorf("%d events arrived of %d sent", got, n)
	}
}

func TestCallOfSubscriptionAndSubscriptionOfCall(t *testing.T) {
	stopped := make(chan struct{})
	r := echo(t, NewRegistry())
	must(t, r.HandleStream(OperationSpec{Name: "/s/forever"}, func(ctx context.Context, _ *Request, send func(any) error) error {
		defer close(stopped)
		for {
			if err := send("tick"); err != nil {
				return err
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}))
	_, client := pair(t, r, NewRegistry(), Limits{})
	if got, err := client.Call(context.Background(), "/s/forever", nil); err != nil || string(got) != `"tick"` {
		t.Errorf("call of a subscription: %s, %v", got, err)
	}
	<-stopped // the engine stops what nobody waits for
	sub, err := client.Subscribe(context.Background(), "/echo/echo", 7)
	must(t, err)
	if got, err := sub.Next(context.Background()); err != nil || string(got) != "7" {
		t.Errorf("subscription of a call: %s, %v", got, err)
	}
	if _, err := sub.Next(context.Background()); err != io.EOF {
		t.Errorf("its end: %v", err)
	}
}

func TestMalformedFramesEndTheirSessionAlone(t *testing.T) {
	data, err := os.ReadFile("../wire/testdata/frames.json")
	must(t, err)
	var v struct {
		Malformed []struct{ ID, Hex, Error string }
	}
	must(t, json.Unmarshal(data, &v))
	registry := echo(t, NewRegistry())
	_, other := pair(t, registry, NewRegistry(), Limits{})
	for _, c := range v.Malformed {
		s, conn, frames := raw(t, registry, Limits{})
		bad, _ := hex.DecodeString(c.Hex)
		_, err := conn.Write(bad)
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		env := next(t, frames)
		told := parseError(env.Payload)
		if env.Type != wire.Failed || env.ID != "" || told.Code != ProtocolError || told.Message == "" {
			t.Errorf("%s: told %s %s", c.ID, env.Type, env.Payload)
		}
		<-s.Done()
		wantCode(t, s.Err(), ProtocolError)
		_, err = other.Call(context.Background(), "/echo/echo", 1)
		must(t, err)
	}
}

func TestOpenRefusals(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		want        Code
	}{
		{"wrong token", `{"type":"session.open","id":"","payload":{"token":"mallory"}}`, Unauthenticated},
		{"no token", `{"type":"session.open","id":"","payload":{}}`, Unauthenticated},
		{"request first", `{"type":"call.requested","id":"1","payload":{"operationId":"/echo/echo"}}`, Unauthenticated},
		{"malformed", `{"type":"session.open","id":"","payload":{"token":7}}`, ProtocolError},
		{"long", `{"type":"session.open","id":"","payload":{"token":"` + strings.Repeat("x", 9000) + `"}}`, ProtocolError},
	} {
		a, b := connPair(t)
		result := make(chan error, 1)
		go func() {
			_, err := Accept(context.Background(), tcpLink{a}, Config{Registry: NewRegistry(), Tokens: users})
			result <- err
		}()
		_, err := b.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(c.frame))), c.frame...))
		must(t, err)
		env := next(t, wire.NewReader(b, 0))
		if env.Type != wire.Failed || parseError(env.Payload).Code != c.want {
			t.Errorf("%s: told %s %s", c.name, env.Type, env.Payload)
		}
		wantCode(t, <-result, c.want)
		b.Close()
	}
	a, b := connPair(t)
	defer b.Close()
	_, err := Accept(context.Background(), tcpLink{a}, Config{Registry: NewRegistry(), Tokens: users, Limits: Limits{OpenTimeout: 20 * time.Millisecond}})
	wantCode(t, err, Timeout)
}

// Nobody answers session.open: what the caller has set an end with says why it ended.
func TestOpeningIsEnded(t *testing.T) {
	for _, proven := range []bool{false, true} {
		for _, c := range []struct {
			limit time.Duration
			end   func() (context.Context, context.CancelFunc)
			want  Code
			says  string
		}{
			{20 * time.Millisecond, func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }, Timeout, "within 20ms"},
			{time.Minute, func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.Background(), 20*time.Millisecond)
			}, Timeout, "before the deadline"},
			{time.Minute, func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				return ctx, cancel
			}, Aborted, "was stopped"},
		} {
			a, b := connPair(t)
			ctx, cancel := c.end()
			_, err := Open(ctx, tcpLink{a}, Config{Registry: NewRegistry(), KeyProven: proven, Limits: Limits{OpenTimeout: c.limit}})
			cancel()
			b.Close()
			wantCode(t, err, c.want)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("key proven %v: %v, want it to say %q", proven, err, c.says)
			}
		}
	}
}

func TestTokenOfOneRequest(t *testing.T) {
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/who/ami"}, func(_ context.Context, req *Request) (any, error) { return req.Identity().ID, nil }))
	_, client := pair(t, r, NewRegistry(), Limits{})
	for token, want := range map[string]string{"": `"alice"`, "bob": `"bob"`} {
		if got, err := client.Call(context.Background(), "/who/ami", nil, WithAuthToken(token)); err != nil || string(got) != want {
			t.Errorf("%q: %s, %v", token, got, err)
		}
	}
	_, err := client.Call(context.Background(), "/who/ami", nil, WithAuthToken("mallory"))
	wantCode(t, err, Unauthenticated)
}

func TestEndOfSession(t *testing.T) {
	const calls = 1000
	var running sync.WaitGroup
	running.Add(calls)
	canceled := make(chan error, calls)
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/h/hang"}, func(ctx context.Context, _ *Request) (any, error) {
		running.Done()
		<-ctx.Done()
		canceled <- context.Cause(ctx)
		return nil, ctx.Err()
	}))
	head, client := pair(t, r, NewRegistry(), Limits{})
	failed := make(chan error, calls)
	for range calls {
		go func() {
			_, err := client.Call(context.Background(), "/h/hang", nil)
			failed <- err
		}()
	}
	running.Wait()
	_ = head.link.Close("as a killed process does")
	for range calls {
		wantCode(t, <-failed, Unavailable)
		wantCode(t, <-canceled, Unavailable)
	}
	_, err := client.Call(context.Background(), "/h/hang", nil)
	wantCode(t, err, Unavailable)
}

func TestShutdownLetsCallsFinish(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/h/slow"}, func(context.Context, *Request) (any, error) { close(started); <-release; return "done", nil }))
	must(t, r.Handle(OperationSpec{Name: "/h/hang"}, func(ctx context.Context, _ *Request) (any, error) { <-ctx.Done(); return nil, ctx.Err() }))
	head, client := pair(t, r, NewRegistry(), Limits{})
	slow, hang := make(chan error, 1), make(chan error, 1)
	go func() { _, err := client.Call(context.Background(), "/h/hang", nil); hang <- err }()
	go func() { _, err := client.Call(context.Background(), "/h/slow", nil); slow <- err }()
	<-started
	drain, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { head.Shutdown(drain, "test"); close(over) }()
	for { // session.closing arrives
		if _, err := client.Call(context.Background(), "/services/list", nil); CodeOf(err) == Unavailable {
			break
		}
	}
	close(release)
	must(t, <-slow)
	cancel()
	wantCode(t, <-hang, Unavailable)
	<-over
}

func TestLimits(t *testing.T) {
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/h/hang"}, func(ctx context.Context, _ *Request) (any, error) { <-ctx.Done(); return nil, ctx.Err() }))
	_, conn, frames := raw(t, r, Limits{MaxInFlight: 2})
	for _, id := range []string{"1", "2", "3"} {
		send(t, conn, wire.Requested, id, `{"operationId":"/h/hang"}`)
	}
	if env := next(t, frames); env.ID != "3" || parseError(env.Payload).Code != ResourceExhausted {
		t.Errorf("%s %s, want RESOURCE_EXHAUSTED", env.ID, env.Payload)
	}
	send(t, conn, "session.from-the-future", "", "{}")
	send(t, conn, wire.Aborted, "never-heard-of", "{}")
	send(t, conn, wire.Aborted, "1", "{}")
	send(t, conn, wire.Requested, "d", `{"operationId":"/services/list"}`)
	if env := next(t, frames); env.ID != "d" || env.Type != wire.Responded {
		t.Errorf("after the abort: %s %s", env.ID, env.Payload)
	}
	for payload, code := range map[string]Code{`[]`: InvalidInput, `{}`: InvalidInput, `{"operationId":7}`: InvalidInput, `{"operationId":"/services/list","window":-1}`: InvalidInput, `{"operationId":"/services/list","deadline":1}`: Timeout} {
		send(t, conn, wire.Requested, "e", payload)
		env := next(t, frames)
		if got := parseError(env.Payload).Code; env.Type != wire.Failed || got != code {
			t.Errorf("%s: %s %s", payload, env.Type, env.Payload)
		}
	}
}

func TestPeerThatNeverReads(t *testing.T) {
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/h/big"}, func(context.Context, *Request) (any, error) { return strings.Repeat("x", 100<<10), nil }))
	s, conn, _ := raw(t, r, Limits{MaxQueued: 256 << 10, MaxFrame: 128 << 10})
	go func() {
		for i := 0; ; i++ {
			if _, err := conn.Write(wire.AppendEnvelope(nil, wire.Requested, fmt.Sprint(i), []byte(`{"operationId":"/h/big"}`))); err != nil {
				return
			}
		}
	}()
	<-s.Done()
	wantCode(t, s.Err(), ResourceExhausted)
}

func TestLiveness(t *testing.T) {
	s, _, frames := raw(t, NewRegistry(), Limits{PingInterval: 5 * time.Millisecond, DeadAfter: 50 * time.Millisecond})
	if env := next(t, frames); env.Type != wire.Ping {
		t.Errorf("got %s, want a ping", env.Type)
	}
	<-s.Done()
	wantCode(t, s.Err(), Unavailable)
	head, client := pair(t, NewRegistry(), NewRegistry(), Limits{PingInterval: 2 * time.Millisecond, DeadAfter: 200 * time.Millisecond})
	deadline := time.After(400 * time.Millisecond) // twice DeadAfter: pongs must have kept it alive
	select {
	case <-head.Done():
		t.Error(head.Err())
	case <-client.Done():
		t.Error(client.Err())
	case <-deadline:
	}
}
