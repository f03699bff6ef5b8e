package fileop

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
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

type link struct{ net.Conn }

func (l link) Close(string) error { return l.Conn.Close() }
func (l link) KeepsAlive() bool   { return true }

// offered is a folder that is offered over a session; outside is its sibling, which
// holds a secret.
type offered struct {
	root, outside string
	session       *call.Session
}

// secret has a size that nothing else has.
var secret = "the secret outside" + strings.Repeat(".", 4321)

func offer(t testing.TB, cfg Config, scopes ...string) *offered {
	t.Helper()
	dir := t.TempDir()
	o := &offered{root: filepath.Join(dir, "root"), outside: filepath.Join(dir, "outside")}
	must(t, os.MkdirAll(filepath.Join(o.root, "sub"), 0o755))
	must(t, os.Mkdir(o.outside, 0o755))
	must(t, os.WriteFile(filepath.Join(o.outside, "secret"), []byte(secret), 0o600))
	cfg.Path = o.root
	folder, err := Open(cfg)
	must(t, err)
	registry := call.NewRegistry()
	must(t, folder.Register(registry))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	accepted, err := ln.Accept()
	must(t, err)
	server := make(chan *call.Session, 1)
	go func() {
		s, err := call.Accept(context.Background(), link{accepted}, call.Config{Registry: registry, KeyProven: true, Identity: &auth.Identity{ID: "user", Scopes: scopes}})
		if err != nil {
			panic(err)
		}
		server <- s
	}()
	o.session, err = call.Open(context.Background(), link{dialed}, call.Config{Registry: call.NewRegistry(), KeyProven: true})
	must(t, err)
	s := <-server
	t.Cleanup(func() { o.session.Close("over"); s.Close("over"); must(t, folder.Close()) })
	return o
}

func (o *offered) call(op string, input any) (json.RawMessage, error) {
	return o.session.Call(context.Background(), op, input)
}

type args map[string]any

func (o *offered) file(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(o.root, name))
	must(t, err)
	return string(data)
}

func TestReadAndWrite(t *testing.T) {
	o := offer(t, Config{MaxBytes: 1000}, "fs:*")
	binary := string([]byte{0, 1, 0xff, '\n'})
	for _, c := range []struct {
		op    string
		input args
		want  string // a code, or a part of the output
	}{
		{"/fs/write", args{"path": "a.txt", "content": "héllo\n"}, `"size":7`},
		{"/fs/read", args{"path": "a.txt"}, `"content":"héllo\n","encoding":"utf8","offset":0,"bytes":7,"size":7`},
		{"/fs/read", args{"path": "/a.txt"}, `"bytes":7`}, {"/fs/read", args{"path": "sub/../a.txt"}, `"bytes":7`},
		{"/fs/read", args{"path": "a.txt", "offset": 3, "length": 2}, `"content":"ll","encoding":"utf8","offset":3,"bytes":2`},
		{"/fs/read", args{"path": "a.txt", "offset": 2, "length": 1}, `"content":"qQ==","encoding":"base64"`},
		{"/fs/read", args{"path": "a.txt", "offset": 100}, `"content":"","encoding":"utf8"`},
		{"/fs/read", args{"path": "a.txt", "encoding": "base64"}, `"content":"aMOpbGxvCg=="`},
		{"/fs/write", args{"path": "b.bin", "content": base64.StdEncoding.EncodeToString([]byte(binary)), "encoding": "base64"}, `"size":4`},
		{"/fs/read", args{"path": "b.bin"}, `"encoding":"base64"`}, {"/fs/read", args{"path": "b.bin", "encoding": "utf8"}, "INVALID_INPUT"},
		{"/fs/write", args{"path": "b.bin", "content": "!", "encoding": "base64"}, "INVALID_INPUT"},
		{"/fs/write", args{"path": "a.txt", "content": "x", "mode": "create"}, "CONFLICT"}, {"/fs/write", args{"path": "c.txt", "content": "x", "mode": "create"}, `"size":1`},
		{"/fs/write", args{"path": "c.txt", "content": "yz", "mode": "append"}, `"bytes":2,"size":3`}, {"/fs/write", args{"path": "d.txt", "content": "y", "mode": "append"}, `"size":1`},
		{"/fs/write", args{"path": "new/deep/e.txt", "content": "e"}, "NO_SUCH_FILE"}, {"/fs/write", args{"path": "new/deep/e.txt", "content": "e", "parents": true}, `"size":1`},
		{"/fs/write", args{"path": "big", "content": strings.Repeat("x", 1001)}, "RESOURCE_EXHAUSTED"},
		{"/fs/write", args{"path": "big", "content": strings.Repeat("x", 1000)}, `"size":1000`}, {"/fs/write", args{"path": "big", "content": "xx", "mode": "append"}, `"size":1002`},
		{"/fs/read", args{"path": "big"}, "RESOURCE_EXHAUSTED"}, {"/fs/read", args{"path": "big", "offset": 500}, `"bytes":502`}, {"/fs/read", args{"path": "big", "length": 10}, `"bytes":10`},
		{"/fs/read", args{"path": "none"}, "NO_SUCH_FILE"}, {"/fs/read", args{"path": "sub"}, "INVALID_INPUT"}, {"/fs/read", args{"path": "a.txt/b"}, "INVALID_INPUT"},
		{"/fs/read", args{"path": ""}, "INVALID_INPUT"}, {"/fs/read", args{}, "INVALID_INPUT"}, {"/fs/read", args{"path": "a\x00b"}, "INVALID_INPUT"}, {"/fs/read", args{"path": strings.Repeat("x", 5000)}, "INVALID_INPUT"},
		{"/fs/read", args{"path": strings.Repeat("x", 300)}, "INVALID_INPUT"}, {"/fs/read", args{"path": "a.txt", "offset": -1}, "INVALID_INPUT"}, {"/fs/read", args{"path": "a.txt", "mode": "x"}, "INVALID_INPUT"},
		{"/fs/write", args{"path": "sub", "content": ""}, "INVALID_INPUT"}, {"/fs/write", args{"path": "/", "content": ""}, "INVALID_INPUT"}, {"/fs/write", args{"path": "sub/..", "content": ""}, "INVALID_INPUT"},
		{"/fs/stat", args{"path": "a.txt"}, `"name":"a.txt","type":"file","size":7`}, {"/fs/stat", args{"path": "sub"}, `"type":"folder","size":0`}, {"/fs/stat", args{"path": "none"}, "NO_SUCH_FILE"},
		{"/fs/list", args{}, `"more":false`}, {"/fs/list", args{"limit": 2}, `"name":"b.bin"`}, {"/fs/list", args{"limit": 2}, `"more":true`}, {"/fs/list", args{"after": "new"}, `[{"name":"sub"`},
		{"/fs/list", args{"path": "none"}, "NO_SUCH_FILE"}, {"/fs/list", args{"path": "a.txt"}, "INVALID_INPUT"},
	} {
		got, err := o.call(c.op, c.input)
		if err == nil && !strings.Contains(string(got), c.want) || err != nil && string(call.CodeOf(err)) != c.want {
			t.Errorf("%s %.100v: %.200s, %v, want %s", c.op, c.input, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), o.root) {
			t.Errorf("%s %v tells where the folder is: %v", c.op, c.input, err)
		}
	}
	if o.file(t, "b.bin") != binary || o.file(t, "c.txt") != "xyz" {
		t.Errorf("files %q %q", o.file(t, "b.bin"), o.file(t, "c.txt"))
	}
	left, err := filepath.Glob(filepath.Join(o.root, ".alknet-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	// A replaced file keeps its mode.
	must(t, os.Chmod(filepath.Join(o.root, "a.txt"), 0o640))
	_, err = o.call("/fs/write", args{"path": "a.txt", "content": "2"})
	must(t, err)
	if info, err := os.Stat(filepath.Join(o.root, "a.txt")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestScopesAndReadOnly(t *testing.T) {
	reader := offer(t, Config{}, ReadScope)
	_, err := reader.call("/fs/write", args{"path": "a", "content": ""})
	if call.CodeOf(err) != call.Forbidden {
		t.Errorf("writing with %s: %v", ReadScope, err)
	}
	if _, err := reader.call("/fs/list", nil); err != nil {
		t.Error(err)
	}
	nobody := offer(t, Config{})
	for _, op := range []string{"/fs/read", "/fs/list", "/fs/stat", "/fs/write"} {
		if _, err := nobody.call(op, args{"path": "a", "content": ""}); call.CodeOf(err) != call.Forbidden {
			t.Errorf("%s without a scope: %v", op, err)
		}
	}
	if _, err := offer(t, Config{ReadOnly: true}, "fs:*").call("/fs/write", args{"path": "a", "content": ""}); call.CodeOf(err) != call.NotFound {
		t.Errorf("writing where only reading is offered: %v", err)
	}
	if _, err := Open(Config{Path: "/no/such/folder"}); err == nil {
		t.Error("a folder that is not there was opened")
	}
}

// TestEscapes tries every way out of the folder that a path can name, with every
// operation.
func TestEscapes(t *testing.T) {
	o := offer(t, Config{}, "fs:*")
	in := func(name string) string { return filepath.Join(o.root, name) }
	must(t, os.Symlink(o.outside, in("abs")))
	must(t, os.Symlink("../outside", in("rel")))
	must(t, os.Symlink(filepath.Join(o.outside, "secret"), in("file")))
	must(t, os.Symlink("sub/../../outside", in("winding")))
	must(t, os.Symlink("rel", in("twice")))
	must(t, os.Symlink("..", in("sub/up"))) // stays inside
	must(t, os.Symlink("up/../../outside", in("sub/out")))
	must(t, os.Symlink("/proc/self/root"+o.outside, in("proc")))
	must(t, os.Symlink("loop", in("loop")))
	must(t, os.WriteFile(in("inside"), []byte("inside"), 0o600))
	if got, err := o.call("/fs/read", args{"path": "sub/up/inside"}); err != nil || !strings.Contains(string(got), "inside") {
		t.Errorf("a link within the folder: %s, %v", got, err)
	}
	paths := []string{
		"../outside/secret", "../../etc/passwd", "sub/../../outside/secret", "sub/up/../outside/secret", "./../outside/secret", "//../outside/secret",
		"/../outside/secret", "sub/../..//outside/secret", "abs/secret", "rel/secret", "file", "winding/secret", "twice/secret", "sub/out/secret", "proc/secret",
		"sub/up/rel/secret", "loop/secret", "..", "sub/../..", "abs", "rel", `..\outside\secret`, "%2e%2e/outside/secret", "..%2foutside/secret", o.outside + "/secret",
		"sub/up/../../outside/secret", "abs/../outside/secret",
	}
	for _, p := range paths {
		for _, c := range []struct {
			op    string
			input args
		}{
			{"/fs/read", args{"path": p}}, {"/fs/stat", args{"path": p}}, {"/fs/list", args{"path": p}},
			{"/fs/write", args{"path": p, "content": "x", "mode": "append"}}, {"/fs/write", args{"path": p, "content": "x", "mode": "create"}},
			{"/fs/write", args{"path": p + "/new", "content": "x", "parents": true}},
		} {
			got, err := o.call(c.op, c.input)
			if strings.Contains(string(got), secret) || strings.Contains(string(got), fmt.Sprintf(`"size":%d`, len(secret))) {
				t.Errorf("%s %v got out: %s", c.op, c.input, got)
			}
			if err != nil && call.CodeOf(err) == call.Internal {
				t.Errorf("%s %v: %v", c.op, c.input, err)
			}
		}
		if sub, err := o.session.Subscribe(context.Background(), "/fs/watch", args{"path": p}); err == nil {
			if got, err := sub.Next(context.Background()); err == nil && strings.Contains(string(got), fmt.Sprintf(`"size":%d`, len(secret))) {
				t.Errorf("watch %s got out: %s", p, got)
			}
			sub.Close()
		}
	}
	// Replacing a link replaces the link.
	_, err := o.call("/fs/write", args{"path": "file", "content": "x"})
	must(t, err)
	if info, err := os.Lstat(in("file")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	o.checkOutside(t)
}

// checkOutside checks that nothing outside was written.
func (o *offered) checkOutside(t testing.TB) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(o.outside, "secret"))
	entries, listErr := os.ReadDir(o.outside)
	if err != nil || listErr != nil || string(data) != secret || len(entries) != 1 {
		t.Fatalf("outside was touched: %q, %v, %v", data, entries, err)
	}
	above, err := os.ReadDir(filepath.Dir(o.outside))
	if err != nil || len(above) != 2 {
		t.Fatalf("above was touched: %v, %v", above, err)
	}
}

func TestWatch(t *testing.T) {
	o := offer(t, Config{MaxEntries: 8}, "fs:*")
	ctx := context.Background()
	write := func(name, content string) { must(t, os.WriteFile(filepath.Join(o.root, name), []byte(content), 0o600)) }
	watch := func(path string) func() string {
		sub, err := o.session.Subscribe(ctx, "/fs/watch", args{"path": path, "interval": 50})
		must(t, err)
		return func() string {
			raw, err := sub.Next(ctx)
			if err == io.EOF {
				return "end"
			}
			if err != nil {
				return string(call.CodeOf(err))
			}
			var e struct{ Event, Name string }
			must(t, json.Unmarshal(raw, &e))
			return e.Event + " " + e.Name
		}
	}
	expect := func(next func() string, want ...string) {
		t.Helper()
		for _, w := range want {
			if got := next(); got != w {
				t.Fatalf("event %q, want %q", got, w)
			}
		}
	}
	write("a", "1")
	folder, file := watch("/"), watch("a")
	expect(folder, "watching .")
	expect(file, "watching a")
	write("a", "12")
	expect(folder, "changed a")
	expect(file, "changed a")
	write("b", "1")
	expect(folder, "created b")
	write("new-a", "12")
	must(t, os.Rename(filepath.Join(o.root, "new-a"), filepath.Join(o.root, "a")))
	for got := ""; got != "changed a"; got = folder() { // new-a may have been seen
	}
	expect(file, "changed a")
	must(t, os.Remove(filepath.Join(o.root, "a")))
	expect(file, "removed a", "end")
	for got := ""; got != "removed a"; got = folder() {
	}
	for i := range 10 {
		write(fmt.Sprint("many", i), "")
	}
	for got := ""; got != "RESOURCE_EXHAUSTED"; got = folder() {
	}
	expect(watch("none"), "NO_SUCH_FILE")
}

// One identity has so many watches at once, and one look serves all of a path.
func TestWatchesAreBounded(t *testing.T) {
	var w watches
	const ada, bob = "ada", "bob"
	var ends []func()
	for range maxWatches {
		_, end, err := w.begin(ada, "x")
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, _, err := w.begin(ada, "y"); err == nil || err.Code != call.ResourceExhausted {
		t.Errorf("one too many: %v", err)
	}
	path, end, err := w.begin(bob, "x")
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	for range 3 {
		_, _ = path.look(time.Hour, func() (map[string]look, error) { looks++; return nil, nil })
	}
	if looks != 1 {
		t.Errorf("%d looks", looks)
	}
	for _, end := range append(ends, end) {
		end()
	}
	if len(w.of)+len(w.paths) != 0 {
		t.Errorf("%d identities and %d paths are left", len(w.of), len(w.paths))
	}
}
