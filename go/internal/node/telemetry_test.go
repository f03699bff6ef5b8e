package node

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
)

func TestMetrics(t *testing.T) {
	admin, user := newKey(t), newKey(t)
	s := serveFile(t, loopback+grant(admin, `scopes = ["admin"]`)+grant(user, ""))
	asAdmin, asUser := s.as(t, admin), s.as(t, user)
	ctx := context.Background()
	_, err := asUser.Call(ctx, "/node/metrics", nil)
	wantCode(t, err, call.Forbidden)
	for range 3 {
		_, err := asUser.Call(ctx, "/open/square", 2)
		must(t, err)
	}
	_, err = asUser.Call(ctx, "/math/square", 2)
	wantCode(t, err, call.Forbidden)
	_, err = asUser.Call(ctx, "/no/such", nil)
	wantCode(t, err, call.NotFound)
	_, err = s.connect(t, func(c *ClientConfig) { c.Key = newKey(t) })
	wantCode(t, err, call.Unauthenticated)
	_, err = s.Reload()
	must(t, err)
	output, err := asAdmin.Call(ctx, "/node/metrics", nil)
	must(t, err)
	var text string
	must(t, json.Unmarshal(output, &text))
	for _, want := range []string{
		`alknet_requests_total{operation="/open/square",code="OK"} 3`, `alknet_requests_total{operation="/math/square",code="FORBIDDEN"} 1`,
		`alknet_requests_refused_total{code="NOT_FOUND"} 1`, `alknet_request_duration_seconds_count{operation="/open/square"} 3`, `alknet_requests_in_flight 1`,
		`alknet_auth_rejected_total{method="key",reason="unknown-key"} 1`, `alknet_config_reloads_total{result="ok"} 1`, `alknet_sessions{transport="quic"} 2`,
		`alknet_sessions_opened_total{transport="quic"} 2`, `alknet_build_info{version="test"} 1`, `alknet_nodes 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s in\n%s", want, text)
		}
	}
	if text != s.Metrics() && !regexp.MustCompile(`(?m)^alknet_connections \d+$`).MatchString(text) {
		t.Error("the connections are missing")
	}
}

// The names of operations come from workers: figures of ever new ones are bounded.
func TestFiguresAreBounded(t *testing.T) {
	tells := newTelemetry("test", nil, nil)
	for i := range 3 * maxFigures {
		tells.figures("/ns/op" + string(rune('a'+i%26)) + strings.Repeat("x", i/26))
	}
	if n := len(*tells.operations.Load()); n > maxFigures+1 {
		t.Errorf("%d operations have figures", n)
	}
}

func records(t *testing.T, path string) (events []audit.Event) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	for scan := bufio.NewScanner(file); scan.Scan(); {
		var e audit.Event
		must(t, json.Unmarshal(scan.Bytes(), &e))
		events = append(events, e)
	}
	return events
}

func TestAudit(t *testing.T) {
	admin, user, worker := newKey(t), newKey(t), newKey(t)
	print := func(key []byte) string { return principal.Fingerprint(key) }
	text := loopback + grant(admin, `scopes = ["admin"]`) + grant(user, "") + grant(worker, `scopes = ["node:register:dev1"]`) + "[audit]\nfile = \"audit.jsonl\"\n"
	s := serveFile(t, text)
	path := filepath.Join(s.dir, "audit.jsonl")
	ctx := context.Background()
	asAdmin, asUser := s.as(t, admin), s.as(t, user)
	_, err := asUser.Call(ctx, "/open/square", 7) // nobody's business
	must(t, err)
	_, err = asUser.Call(ctx, "/math/square", 7)
	wantCode(t, err, call.Forbidden)
	token := "alk_" + strings.Repeat("A", 43)
	_, err = asUser.Call(ctx, "/open/square", 7, call.WithAuthToken(token))
	wantCode(t, err, call.Unauthenticated)
	stranger := newKey(t)
	_, err = s.connect(t, func(c *ClientConfig) { c.Key = stranger })
	wantCode(t, err, call.Unauthenticated)
	asWorker := s.as(t, worker)
	_, err = asWorker.Call(ctx, "/head/services/register", map[string]any{"node": "dev1", "operations": []any{}})
	must(t, err)
	_, err = asWorker.Call(ctx, "/head/services/unregister", map[string]any{"node": "dev1"})
	must(t, err)
	moved := path + ".1"
	must(t, os.Rename(path, moved))
	_, err = asAdmin.Call(ctx, "/head/config/reload", nil)
	must(t, err)
	s.write(t, "alknet.toml", text+"nonsense")
	_, err = asAdmin.Call(ctx, "/head/config/reload", nil)
	wantCode(t, err, ConfigInvalid)

	want := []audit.Event{
		{Event: "request", Identity: print(public(user)), Address: "127.0.0.1", Operation: "/math/square", Code: "FORBIDDEN"},
		{Event: "credential.refused", Identity: token[:12], Address: "127.0.0.1", Method: "token", Reason: "unknown-api-key"},
		{Event: "request", Identity: print(public(user)), Address: "127.0.0.1", Operation: "/open/square", Code: "UNAUTHENTICATED"},
		{Event: "credential.refused", Identity: print(public(stranger)), Address: "127.0.0.1", Method: "key", Reason: "unknown-key"},
		{Event: "node.joined", Identity: print(public(worker)), Node: "dev1"},
		{Event: "request", Identity: print(public(worker)), Address: "127.0.0.1", Operation: "/head/services/register"},
		{Event: "node.left", Identity: print(public(worker)), Node: "dev1"},
		{Event: "request", Identity: print(public(worker)), Address: "127.0.0.1", Operation: "/head/services/unregister"},
		{Event: "config.reloaded"},
		{Event: "request", Identity: print(public(admin)), Address: "127.0.0.1", Operation: "/head/config/reload"},
		{Event: "config.reloaded", Code: "CONFIG_INVALID"},
		{Event: "request", Identity: print(public(admin)), Address: "127.0.0.1", Operation: "/head/config/reload", Code: "CONFIG_INVALID"},
	}
	must(t, s.Close()) // every request has been recorded by then
	got := append(records(t, moved), records(t, path)...)
	same := func(a, b audit.Event) bool {
		a.Time, a.Changed = b.Time, nil
		return a.Event == b.Event && a.Identity == b.Identity && a.Address == b.Address && a.Operation == b.Operation && a.Node == b.Node && a.Code == b.Code && a.Method == b.Method && a.Reason == b.Reason
	}
	for _, w := range want {
		if !slices.ContainsFunc(got, func(e audit.Event) bool { return same(e, w) }) {
			t.Errorf("not recorded: %+v", w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d events, want %d: %+v", len(got), len(want), got)
	}
	raw, err := os.ReadFile(moved)
	must(t, err)
	if strings.Contains(string(raw), token[13:]) {
		t.Error("a token was recorded")
	}
}

// A file that cannot be opened is told like every other mistake, and changes nothing.
func TestAuditFileThatCannotBeOpened(t *testing.T) {
	s := serveFile(t, loopback)
	s.write(t, "alknet.toml", loopback+"[audit]\nfile = \"no/such/folder/audit.jsonl\"\n")
	_, err := s.Reload()
	if err == nil || !strings.Contains(err.Error(), "alknet.toml:4:1: audit.file: open the audit file: ") {
		t.Errorf("error %v", err)
	}
}

// The spans of a call form one trace, from the caller's through each node.
func TestTraces(t *testing.T) {
	type span struct{ TraceID, SpanID, ParentSpanID, Name string }
	var mu sync.Mutex
	var spans []span
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var batch struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []span } }
		}
		if json.Unmarshal(body, &batch) != nil {
			t.Errorf("%s", body)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range batch.ResourceSpans {
			spans = append(spans, r.ScopeSpans[0].Spans...)
		}
	}))
	defer collector.Close()
	user := newKey(t)
	s := serveFile(t, loopback+grant(user, `scopes = ["math"]`)+"[traces]\nendpoint = \""+collector.URL+"/v1/traces\"\nratio = 0.0\n")
	must(t, s.cfg.Registry.Handle(call.OperationSpec{Name: "/outer/op"}, func(ctx context.Context, req *call.Request) (any, error) {
		return req.Invoke(ctx, "math", "square", req.Input())
	}, call.WithReach("/math/square"), call.WithAuthority(&auth.Identity{Scopes: []string{"math"}})))
	client := s.as(t, user)
	const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	got, err := client.Call(context.Background(), "/outer/op", 5, call.WithMetadata(map[string]string{"traceparent": caller}))
	if err != nil || string(got) != "25" {
		t.Fatalf("%s, %v", got, err)
	}
	_, err = client.Call(context.Background(), "/math/square", 5) // begins a trace that the ratio leaves out
	must(t, err)
	must(t, s.Close())
	mu.Lock()
	defer mu.Unlock()
	if len(spans) != 2 {
		t.Fatalf("spans %+v", spans)
	}
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(b.Name, a.Name) })
	outer, inner := spans[0], spans[1]
	if outer.Name != "/outer/op" || outer.TraceID != caller[3:35] || outer.ParentSpanID != caller[36:52] || inner.TraceID != outer.TraceID || inner.ParentSpanID != outer.SpanID {
		t.Errorf("outer %+v, inner %+v", outer, inner)
	}
}

// Rules of the node's own hold for its operations, and change with a reload.
func TestAccessRules(t *testing.T) {
	user := newKey(t)
	head := loopback + grant(user, `scopes = ["math"]`)
	s := serveFile(t, head)
	client := s.as(t, user)
	square := func(want call.Code) {
		t.Helper()
		_, err := client.Call(context.Background(), "/open/square", 2)
		if want == "" {
			must(t, err)
		} else {
			wantCode(t, err, want)
		}
	}
	square("")
	s.write(t, "alknet.toml", head+"[[access]]\npath = \"/open/**\"\nscopes = [\"vip\"]\n")
	_, err := s.Reload()
	must(t, err)
	square(call.Forbidden)
	// All scopes of all rules that fit are needed, to call and to see.
	for _, rules := range []string{
		"[[access]]\npath = \"/open/**\"\nscopes = [\"math\", \"vip\"]\n",
		"[[access]]\npath = \"/open/**\"\nscopes = [\"vip\", \"math\"]\n",
		"[[access]]\npath = \"/open/**\"\nscopes = [\"math\"]\n[[access]]\npath = \"/open/square\"\nscopes = [\"vip\"]\n",
		"[[access]]\npath = \"/open/**\"\nscopes = [\"vip\"]\n[[access]]\npath = \"/open/square\"\nscopes = [\"math\"]\n",
	} {
		s.write(t, "alknet.toml", head+rules)
		_, err := s.Reload()
		must(t, err)
		square(call.Forbidden)
		listed, err := client.Call(context.Background(), "/services/list", nil)
		must(t, err)
		if strings.Contains(string(listed), "/open/square") {
			t.Errorf("listed under %s", rules)
		}
	}
	s.write(t, "alknet.toml", head+"[[access]]\npath = \"/**/x/**\"\nscopes = [\"vip\"]\n")
	if _, err := s.Reload(); err == nil || !strings.Contains(err.Error(), "access[0].path") {
		t.Errorf("error %v", err)
	}
	square(call.Forbidden)
	s.write(t, "alknet.toml", head)
	_, err = s.Reload()
	must(t, err)
	square("")
}
