package trace

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContext(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" // the standard's example
	c, ok := Parse(good)
	if !ok || !c.Sampled || c.String() != good {
		t.Errorf("%+v, %v", c, ok)
	}
	for text, sampled := range map[string]bool{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00": false, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03": true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-else": true,
	} {
		if c, ok := Parse(text); !ok || c.Sampled != sampled {
			t.Errorf("%s: %+v, %v", text, c, ok)
		}
	}
	for _, text := range []string{
		"", good[:54], good + "-x", good + "0", strings.ToUpper(good), strings.Replace(good, "4bf9", "4bfg", 1), strings.Replace(good, "-", "_", 1), "ff" + good[2:],
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "cc" + good[2:] + "x",
	} {
		if c, ok := Parse(text); ok {
			t.Errorf("%q was read as %+v", text, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-else")
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := Parse(text)
		if !ok {
			return
		}
		if back, ok := Parse(c.String()); !ok || back != c {
			t.Fatalf("%q came back as %+v", text, back)
		}
	})
}

func newTracer(t *testing.T, cfg Config) *Tracer {
	t.Helper()
	tracer, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// collector takes batches as an OpenTelemetry collector does.
type collector struct {
	*httptest.Server
	status int

	mu      sync.Mutex
	spans   []span
	headers http.Header
	bodies  int
}

func newCollector(t *testing.T, status int) *collector {
	c := &collector{status: status}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var batch exportRequest
		if err != nil || json.Unmarshal(body, &batch) != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %.200s, %v", r.Method, r.URL, body, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies++
		c.headers = r.Header
		c.spans = append(c.spans, batch.ResourceSpans[0].ScopeSpans[0].Spans...)
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

func TestSpans(t *testing.T) {
	c := newCollector(t, 200)
	tracer := newTracer(t, Config{Endpoint: c.URL + "/v1/traces", Headers: map[string]string{"x-key": "k"}, Ratio: 1, Node: "edge", Version: "1"})
	const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	parent := tracer.Start(caller, "/dev1/fs/read", Server)
	child := tracer.Start(parent.Context().String(), "/l/op", Internal)
	child.End("", false)
	parent.End("NOT_FOUND", true)
	tracer.Start("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "/un/sampled", Server).End("", false)
	root := tracer.Start("nonsense", "/root/op", Server)
	root.End("", false)
	tracer.Close(context.Background())
	if len(c.spans) != 3 || c.bodies != 1 || c.headers.Get("x-key") != "k" || tracer.Sent() != 3 || tracer.Dropped() != 0 {
		t.Fatalf("%d spans in %d batches, headers %v", len(c.spans), c.bodies, c.headers)
	}
	inner, outer, own := c.spans[0], c.spans[1], c.spans[2]
	if outer.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || outer.ParentSpanID != "00f067aa0ba902b7" || outer.Kind != Server || outer.Status.Code != 2 || outer.Status.Message != "NOT_FOUND" || outer.Start > outer.End {
		t.Errorf("outer %+v", outer)
	}
	if inner.TraceID != outer.TraceID || inner.ParentSpanID != outer.SpanID || inner.Kind != Internal || inner.Status != nil {
		t.Errorf("inner %+v", inner)
	}
	if own.TraceID == outer.TraceID || own.ParentSpanID != "" {
		t.Errorf("own %+v", own)
	}
	attributes := map[string]string{}
	for _, a := range outer.Attributes {
		if a.Value.String != nil {
			attributes[a.Key] = *a.Value.String
		}
	}
	if attributes["rpc.service"] != "dev1/fs" || attributes["rpc.method"] != "read" || attributes["alknet.code"] != "NOT_FOUND" {
		t.Errorf("attributes %v", attributes)
	}
}

// Every span has an id of its own, and names its caller's as its parent.
func TestIDsOfSpans(t *testing.T) {
	c := newCollector(t, 200)
	tracer := newTracer(t, Config{Endpoint: c.URL + "/v1/traces", Ratio: 1, Node: "edge", Version: "1"})
	const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	seen := map[string]bool{"00f067aa0ba902b7": true}
	for range 2 {
		span := tracer.Start(caller, "/a/b", Server)
		told := span.Context().String() // what handlers and workers see
		if !strings.HasPrefix(told, "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
			t.Errorf("told %s", told)
		}
		span.End("", false)
		id := strings.Split(told, "-")[2]
		if seen[id] {
			t.Errorf("two spans have the id %s", id)
		}
		seen[id] = true
	}
	tracer.Close(context.Background())
	for _, span := range c.spans {
		if span.ParentSpanID != "00f067aa0ba902b7" || span.SpanID == span.ParentSpanID || !seen[span.SpanID] {
			t.Errorf("%+v", span)
		}
	}
	if len(c.spans) != 2 {
		t.Errorf("%d spans", len(c.spans))
	}
}

func TestRatio(t *testing.T) {
	for ratio, want := range map[float64][2]int{0: {0, 0}, 0.25: {2000, 3000}, 1: {10000, 10000}} {
		n := 0
		for range 10000 {
			if newContext(ratio).Sampled {
				n++
			}
		}
		if n < want[0] || n > want[1] {
			t.Errorf("ratio %v: %d of 10000", ratio, n)
		}
	}
}

// A collector that fails, or is not there, costs spans and nothing else.
func TestLostSpans(t *testing.T) {
	failing := newCollector(t, 503)
	for _, endpoint := range []string{failing.URL + "/v1/traces", "http://127.0.0.1:1/v1/traces"} {
		tracer := newTracer(t, Config{Endpoint: endpoint, Ratio: 1})
		const n = maxWaiting + 2*maxBatch
		for range n {
			tracer.Start("", "/a/b", Server).End("", false)
		}
		tracer.Close(context.Background())
		if tracer.Dropped() != n || tracer.Sent() != 0 {
			t.Errorf("%s: %d dropped, %d sent", endpoint, tracer.Dropped(), tracer.Sent())
		}
	}
	if failing.bodies == 0 {
		t.Error("the collector was not asked")
	}
}

// A collector that never answers does not hold up the end.
func TestStuckCollector(t *testing.T) {
	release := make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer stuck.Close()
	defer close(release)
	tracer := newTracer(t, Config{Endpoint: stuck.URL, Ratio: 1})
	tracer.Start("", "/a/b", Server).End("", false)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tracer.Close(ctx)
	if tracer.Dropped() != 1 {
		t.Errorf("%d dropped", tracer.Dropped())
	}
}

func TestEndpointsThatAreWrong(t *testing.T) {
	for _, cfg := range []Config{
		{Endpoint: ""}, {Endpoint: "http://bad host/"}, {Endpoint: "ftp://127.0.0.1/"}, {Endpoint: "127.0.0.1:4318"},
		{Endpoint: "http://127.0.0.1/", Headers: map[string]string{"a\r\nb": "x"}}, {Endpoint: "http://127.0.0.1/", Headers: map[string]string{"a": "x\r\nb: y"}},
	} {
		if tracer, err := New(cfg); err == nil {
			tracer.Close(context.Background())
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// What a collector may answer, and what is said of it.
func TestAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\n\r\n": "", "HTTP/1.0 204 No Content\r\n\r\n": "", "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n": "",
		"HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\n\r\n": "307", "HTTP/1.1 429 Too Many Requests\r\n\r\n": "429",
		"SSH-2.0-OpenSSH\r\n": "does not answer as HTTP", "": "EOF", "HTTP/1.1 100 Continue\r\n": "EOF",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			request, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				t.Error(err)
				return
			}
			if body, err := io.ReadAll(request.Body); err != nil || string(body) != "{}" {
				t.Errorf("body %q, %v", body, err)
			}
			_, _ = io.WriteString(conn, answer)
		}()
		p, err := newPoster("http://"+listener.Addr().String()+"/v1/traces?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		err = p.post(context.Background(), []byte("{}"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
		_ = listener.Close()
		<-served
	}
}

// Over https the collector's certificate is verified.
func TestUntrustedCollector(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was told") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	p, err := newPoster(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.post(context.Background(), []byte("{}")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
}
