package call

import (
	"encoding/json"
	"maps"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever bytes a stranger sends as the payload of a request are refused with a
// code, or mean the same once they are written again.
func FuzzParseParams(f *testing.F) {
	for _, seed := range []string{
		`{"operationId":"/fs/readFile","input":{"path":"/etc/hosts"}}`,
		`{"operationId":"/a/b","input":null,"deadline":1767225600000,"idleTimeout":1000,"window":64}`,
		`{"operationId":"/a/b","parentRequestId":"7","authToken":"x","metadata":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}`,
		`{"operationId":"/a/b","forwardedFor":{"id":"SHA256:x","scopes":["a"]},"hops":3}`, `{"operationId":"/a/b","forwardedFor":null,"hops":99}`, `{"operationId":"/a/b","metadata":{"a":1}}`,
		`{"operationId":"\/a\u002fb","input":1e400,"window":999999999999999}`,
		`{"operationId":"/a/b","operationId":"/c/d"}`, `{"operationId":7}`, `{"window":-1}`, `[]`, ``, `{"operationId":"/a/b","deadline":9007199254740993}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !utf8.Valid(payload) {
			return // no frame brings it here
		}
		p, bad := parseParams(payload)
		if bad != nil {
			if bad.Code != InvalidInput || bad.Message == "" {
				t.Fatalf("refused with %v", bad)
			}
			return
		}
		if !json.Valid(p.input) || p.operation == "" || p.window < 0 || p.window > MaxWindow || p.idleTimeout < 0 || p.hops < 0 || p.hops > MaxHops+1 {
			t.Fatalf("%q reads as %+v", payload, p)
		}
		opts := &Options{Deadline: p.deadline, IdleTimeout: p.idleTimeout, ParentRequestID: p.parent, AuthToken: p.authToken, Metadata: textMap(p.metadata)}
		if id, ok := parseIdentity(p.forwarded); ok && id != nil && id.ID == "" {
			t.Fatalf("%q gives an identity without an id", p.forwarded)
		}
		again, bad := parseParams(appendRequest(nil, p.operation, p.input, p.window, opts))
		if bad != nil {
			t.Fatalf("%+v is written so that it is refused: %v", p, bad)
		}
		if again.operation != p.operation || string(again.input) != string(p.input) || again.window != p.window || !again.deadline.Equal(p.deadline) ||
			again.idleTimeout != p.idleTimeout || again.parent != p.parent || again.authToken != p.authToken || !maps.Equal(textMap(again.metadata), textMap(p.metadata)) {
			t.Fatalf("%+v reads again as %+v", p, again)
		}
	})
}

func TestHugeNumbersInRequests(t *testing.T) {
	p, bad := parseParams([]byte(`{"operationId":"/a/b","deadline":999999999999999,"idleTimeout":999999999999999,"window":999999999999999}`))
	if bad != nil {
		t.Fatal(bad)
	}
	if p.window != MaxWindow || p.idleTimeout < 24*365*time.Hour || time.Until(p.deadline) <= 0 {
		t.Errorf("%+v", p)
	}
}
