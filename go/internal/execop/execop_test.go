//go:build unix

package execop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code call.Code) {
	t.Helper()
	if err == nil || call.CodeOf(err) != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

type link struct{ net.Conn }

func (l link) Close(string) error { return l.Conn.Close() }
func (l link) KeepsAlive() bool   { return true }

// logs keeps what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// world offers shell scripts over a session.
type world struct {
	session  *call.Session
	registry *call.Registry
	runner   *Runner
	logs     logs
}

func start(t testing.TB, cfg Config, scopes ...string) *world {
	t.Helper()
	w := &world{registry: call.NewRegistry()}
	cfg.Logger = slog.New(slog.NewTextHandler(&w.logs, nil))
	w.runner = New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	accepted, err := ln.Accept()
	must(t, err)
	server := make(chan *call.Session, 1)
	go func() {
		s, err := call.Accept(context.Background(), link{accepted}, call.Config{Registry: w.registry, KeyProven: true, Identity: &auth.Identity{ID: "user", Scopes: scopes}})
		if err != nil {
			panic(err)
		}
		server <- s
	}()
	w.session, err = call.Open(context.Background(), link{dialed}, call.Config{Registry: call.NewRegistry(), KeyProven: true})
	must(t, err)
	s := <-server
	t.Cleanup(func() { w.session.Close("over"); s.Close("over") })
	return w
}

func (w *world) script(t testing.TB, name, typ, script string) {
	t.Helper()
	must(t, w.runner.Register(w.registry, call.OperationSpec{Name: name, Type: typ}, []string{"sh", "-c", script, "script", "one two"}))
}

func (w *world) call(op string, input any, options ...call.Option) (json.RawMessage, error) {
	return w.session.Call(context.Background(), op, input, options...)
}

func TestCalls(t *testing.T) {
	w := start(t, Config{MaxOutput: 1000}, "x:*")
	t.Setenv("ALKNET_PASSPHRASE", "hunter2")
	for i, c := range []struct {
		script string
		want   string // a code, or the output
	}{
		{`cat`, `{"a":1e400}`}, {`exit 0`, `null`}, {`echo '  [1,2]  '`, `[1,2]`}, {`echo "\"$1\""`, `"one two"`},
		{`echo "[\"$ALKNET_OPERATION\",\"$ALKNET_IDENTITY\",\"$TRACEPARENT\",\"$ALKNET_PASSPHRASE\"]"`, `["/x/op4","user","00-1",""]`},
		{`echo oops`, "INTERNAL"}, {`echo 1 2`, "INTERNAL"}, {`exit 3`, "PROGRAM_FAILED"}, {`kill -9 $$`, "PROGRAM_FAILED"},
		{`echo '{"code":"OUT_OF_PAPER","message":"tray 2","details":{"tray":2}}'; exit 1`, "OUT_OF_PAPER"}, {`echo '{"code":"lower","message":"x"}'; exit 1`, "PROGRAM_FAILED"},
		{`echo '{"code":"OUT_OF_PAPER","message":"x"}'`, `{"code":"OUT_OF_PAPER","message":"x"}`},
		{`while :; do echo 1234567890; done`, "RESOURCE_EXHAUSTED"}, {`exec <&-; echo 1`, `1`}, {`echo 1; sleep 1000 & exit 0`, `1`},
		{`printf '"\377"'`, "INTERNAL"}, {`printf '{"code":"BAD","message":"\377"}'; exit 1`, "PROGRAM_FAILED"},
	} {
		name := fmt.Sprintf("/x/op%d", i)
		w.script(t, name, "", c.script)
		got, err := w.call(name, json.RawMessage(`{"a":1e400}`), call.WithMetadata(map[string]string{"traceparent": "00-1"}))
		if err == nil && string(got) != c.want || err != nil && string(call.CodeOf(err)) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.script, got, err, c.want)
		}
		var e *call.Error
		if errors.As(err, &e) && c.script == "exit 3" && string(e.Details) != `{"status":3}` {
			t.Errorf("details %s", e.Details)
		}
	}
	large := strings.Repeat("x", 1<<20) // more than a pipe holds, and nobody reads it
	w.script(t, "/x/unread", "", "echo 1")
	if got, err := w.call("/x/unread", large); err != nil || string(got) != "1" {
		t.Errorf("a program that does not read: %s, %v", got, err)
	}
}

func TestRegistration(t *testing.T) {
	w := start(t, Config{})
	for _, c := range []struct {
		spec    call.OperationSpec
		command []string
	}{
		{call.OperationSpec{Name: "/a/b"}, nil}, {call.OperationSpec{Name: "/a/b"}, []string{""}}, {call.OperationSpec{Name: "/a/b"}, []string{"/no/such/program"}},
		{call.OperationSpec{Name: "ab"}, []string{"true"}}, {call.OperationSpec{Name: "/a/b", Type: "stream"}, []string{"true"}},
	} {
		if err := w.runner.Register(w.registry, c.spec, c.command); err == nil {
			t.Errorf("%+v %q was registered", c.spec, c.command)
		}
	}
	w.script(t, "/bash/run", "", "echo 1")
	_, err := w.call("/bash/run", nil)
	wantCode(t, err, call.Forbidden) // bash:run is needed
	must(t, w.runner.Register(w.registry, call.OperationSpec{Name: "/own/rules", AccessControl: call.AccessControl{RequiredScopesAny: []string{"x", "y"}}}, []string{"true"}))
	for _, spec := range w.registry.Specs() {
		if spec.Name == "/bash/run" && (spec.Type != call.TypeMutation || !slices.Equal(spec.AccessControl.RequiredScopes, []string{"bash:run"})) || spec.Name == "/own/rules" && spec.AccessControl.RequiredScopes != nil {
			t.Errorf("%+v", spec)
		}
	}
	for line, want := range map[string][]string{
		"a": {"a"}, " a  b\t": {"a", "b"}, `a "b c" 'd e'`: {"a", "b c", "d e"}, `a\ b`: {"a b"}, `'a\b'`: {`a\b`}, `"a\"b"`: {`a"b`}, `a ""`: {"a", ""}, `a"b"c`: {"abc"},
		`$HOME *`: {"$HOME", "*"}, `"`: nil, `'a`: nil, `a\`: nil, "": nil, "  ": nil,
	} {
		got, err := SplitCommand(line)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q splits into %q, %v", line, got, err)
		}
	}
}

func TestLimitsAndLog(t *testing.T) {
	w := start(t, Config{MaxAtOnce: 1}, "x:*")
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "go"), 0o600))
	w.script(t, "/x/wait", "", `echo waiting >&2; printf 'unended' >&2; read line <"`+dir+`/go"; echo 1`)
	done := make(chan error, 1)
	go func() { _, err := w.call("/x/wait", nil); done <- err }()
	pipe, err := os.OpenFile(filepath.Join(dir, "go"), os.O_WRONLY, 0) // waits until the program runs
	must(t, err)
	_, err = w.call("/x/wait", nil)
	wantCode(t, err, call.ResourceExhausted)
	must(t, pipe.Close())
	must(t, <-done)
	if text := w.logs.String(); !strings.Contains(text, "operation=/x/wait") || !strings.Contains(text, "stderr=waiting") || !strings.Contains(text, "stderr=unended") {
		t.Errorf("log %s", text)
	}
	w.script(t, "/x/noise", "", `i=0; while [ $i -lt 1200 ]; do echo noise >&2; i=$((i+1)); done; head -c 100000 /dev/zero >&2`)
	_, err = w.call("/x/noise", nil)
	must(t, err)
	if text := w.logs.String(); strings.Count(text, "stderr=noise") != maxLogLines || !strings.Contains(text, "more to stderr") || len(text) > 1<<20 {
		t.Errorf("%d lines, %d bytes", strings.Count(text, "stderr=noise"), len(text))
	}
}

// answer is a call.Sink for one answer.
type answer chan *call.Error

func (a answer) Responded([]byte)       { a <- nil }
func (a answer) Event([]byte)           {}
func (a answer) Completed()             { a <- nil }
func (a answer) Failed(err *call.Error) { a <- err }

// One caller's programs leave room for those of others.
func TestCallersShareThePrograms(t *testing.T) {
	w := start(t, Config{MaxAtOnce: 4}, "x:*")
	w.script(t, "/x/wait", call.TypeSubscription, "echo 1; exec sleep 1000")
	w.script(t, "/x/quick", "", "echo 1")
	for range 3 {
		sub, err := w.session.Subscribe(context.Background(), "/x/wait", nil)
		must(t, err)
		t.Cleanup(sub.Close)
		_, err = sub.Next(context.Background()) // it runs
		must(t, err)
	}
	_, err := w.call("/x/quick", nil)
	wantCode(t, err, call.ResourceExhausted)
	other := make(answer, 1)
	w.registry.Start(call.Single, "/x/quick", nil, &call.Options{}, &auth.Identity{ID: "other", Scopes: []string{"x:*"}}, nil, other)
	if err := <-other; err != nil {
		t.Errorf("another caller's program: %v", err)
	}
}

func TestSubscriptions(t *testing.T) {
	w := start(t, Config{MaxOutput: 100}, "x:*")
	w.script(t, "/x/count", call.TypeSubscription, `i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done`)
	w.script(t, "/x/bad", call.TypeSubscription, `echo 1; echo; echo oops; sleep 1000`)
	w.script(t, "/x/long", call.TypeSubscription, `echo 1; while :; do printf 1234567890; done`)
	w.script(t, "/x/fails", call.TypeSubscription, `echo 1; exit 4`)
	ctx := context.Background()
	sub, err := w.session.Subscribe(ctx, "/x/count", nil, call.WithWindow(4))
	must(t, err)
	for i := range 3000 {
		if got, err := sub.Next(ctx); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("event %d: %s, %v", i, got, err)
		}
	}
	if _, err := sub.Next(ctx); err != io.EOF {
		t.Errorf("end: %v", err)
	}
	for op, code := range map[string]call.Code{"/x/bad": call.Internal, "/x/long": call.ResourceExhausted, "/x/fails": Failed} {
		sub, err := w.session.Subscribe(ctx, op, nil)
		must(t, err)
		if got, err := sub.Next(ctx); err != nil || string(got) != "1" {
			t.Errorf("%s: %s, %v", op, got, err)
		}
		_, err = sub.Next(ctx)
		wantCode(t, err, code)
	}
}

// ended waits until a process is gone, or a zombie that its parent has yet to reap.
func ended(t testing.TB, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("process %d still runs: %s", pid, stat)
		}
	}
}

// TestNothingIsLeft ends requests whose programs have started others, in every way.
func TestNothingIsLeft(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc here to look for processes in")
	}
	w := start(t, Config{Grace: 50 * time.Millisecond}, "x:*")
	tree := `sleep 1000 & a=$!; (sleep 1000 & echo "[$$,$a,$!]"; wait) ; wait`
	w.script(t, "/x/tree", call.TypeSubscription, tree)
	w.script(t, "/x/stubborn", call.TypeSubscription, `trap '' TERM; `+tree)
	w.script(t, "/x/leaves", call.TypeSubscription, `sleep 1000 & echo "[$$,$!]"`)
	ctx := context.Background()
	for _, op := range []string{"/x/tree", "/x/stubborn", "/x/leaves"} {
		sub, err := w.session.Subscribe(ctx, op, nil, call.WithIdleTimeout(10*time.Second))
		must(t, err)
		event, err := sub.Next(ctx)
		must(t, err)
		var pids []int
		must(t, json.Unmarshal(event, &pids))
		if op == "/x/leaves" {
			if _, err := sub.Next(ctx); err != io.EOF {
				t.Errorf("%s: %v", op, err)
			}
		}
		sub.Close()
		for _, pid := range pids {
			ended(t, pid)
		}
	}
	_, err := w.call("/x/tree", nil, call.WithTimeout(100*time.Millisecond)) // a call of a subscription is stopped after its first answer
	if err != nil && call.CodeOf(err) != call.Timeout {
		t.Error(err)
	}
}
