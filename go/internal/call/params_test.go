package call

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Whatever bytes a stranger sends as the payload of a request are refused with a
// code, or mean the same once they are written again.
func FuzzParseParams(f *testing.F) {
	for _, seed := range []string{
		`{"operationId":"/fs/readFile","input":{"path":"/etc/hosts"}}`,
		`{"operationId":"/a/b","input":null,"timeout":60000,"idleTimeout":1000,"window":64}`,
		`{"operationId":"/a/b","parentRequestId":"7","authToken":"x","metadata":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}`,
		`{"operationId":"/a/b","forwardedFor":{"id":"SHA256:x","scopes":["a"]},"hops":3}`, `{"operationId":"/a/b","forwardedFor":null,"hops":99}`, `{"operationId":"/a/b","metadata":{"a":1}}`,
		`{"operationId":"\/a\u002fb","input":1e400,"window":999999999999999}`,
		`{"operationId":"/a/b","operationId":"/c/d"}`, `{"operationId":7}`, `{"window":-1}`, `[]`, ``, `{"operationId":"/a/b","deadline":9007199254740993}`,
		`{"operationId":"/a/b","timeout":7,"deadline":9,"window":null,"metadata":null,"authToken":""}`, `{"operationId":"/a/b","parentRequestId":"\ud800"}`,
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
		if !json.Valid(p.input) || p.operation == "" || p.window < 0 || p.window > MaxWindow || p.idleTimeout < 0 || p.hops < 0 || p.hops > MaxHops {
			t.Fatalf("%q reads as %+v", payload, p)
		}
		opts := &Options{IdleTimeout: p.idleTimeout, ParentRequestID: p.parent, AuthToken: p.authToken, metadata: p.metadata}
		if id, ok := parseIdentity(p.forwarded); ok && id != nil && id.ID == "" {
			t.Fatalf("%q gives an identity without an id", p.forwarded)
		}
		again, bad := parseParams(closeRequest(appendRequest(nil, p.operation, p.input, p.window, opts), p.deadline))
		if bad != nil {
			t.Fatalf("%+v is written so that it is refused: %v", p, bad)
		}
		if again.operation != p.operation || string(again.input) != string(p.input) || again.window != p.window || p.deadline.IsZero() != again.deadline.IsZero() || again.deadline.Sub(p.deadline).Abs() > time.Minute ||
			again.idleTimeout != p.idleTimeout || again.parent != p.parent || again.authToken != p.authToken || !maps.Equal(textMap(again.metadata), textMap(p.metadata)) {
			t.Fatalf("%+v reads again as %+v", p, again)
		}
	})
}

func TestHugeNumbersInRequests(t *testing.T) {
	p, bad := parseParams([]byte(`{"operationId":"/a/b","timeout":999999999999999,"idleTimeout":999999999999999,"window":999999999999999}`))
	if bad != nil {
		t.Fatal(bad)
	}
	if p.window != MaxWindow || p.idleTimeout < 24*365*time.Hour || time.Until(p.deadline) <= 0 {
		t.Errorf("%+v", p)
	}
}

// What a request says is read in one way: null is as if absent, a name that stands
// twice or a number out of its range is refused, and presence of a token decides.
func TestRequestMembers(t *testing.T) {
	for members, bad := range map[string]string{
		`"timeout":null,"deadline":null,"idleTimeout":null,"window":null,"parentRequestId":null,"authToken":null,"metadata":null,"hops":null`: "",
		`"operationId":null`: "operationId", `"Window":7,"TIMEOUT":"x"`: "", `"x":1,"x":2`: "",
		`"window":1,"window":1`: "twice", `"input":1,"inpu\u0074":2`: "twice", `"forwardedFor":null,"forwardedFor":null`: "twice",
		`"idleTimeout":100`: "", `"idleTimeout":99`: "idleTimeout", `"idleTimeout":0`: "idleTimeout", `"idleTimeout":1.5`: "idleTimeout",
		`"timeout":0`: "", `"timeout":-1`: "timeout", `"timeout":"1"`: "timeout", `"timeout":1234567890123456`: "timeout",
		`"hops":8`: "", `"hops":9`: "more than 8 nodes",
		`"parentRequestId":"\ud800"`: "parentRequestId", `"authToken":"\udc00"`: "authToken", `"metadata":{"a":"\ud800"}`: "",
		`"metadata":{"a":"1","a":"2"}`: "metadata", `"metadata":{"a":null}`: "metadata", `"metadata":7`: "metadata",
		`"authToken":"x","forwardedFor":null`: "may not carry a token",
	} {
		_, err := parseParams([]byte(`{"operationId":"/a/b",` + members + `}`))
		if bad == "operationId" {
			_, err = parseParams([]byte(`{` + members + `}`))
		}
		if (err == nil) != (bad == "") || err != nil && (err.Code != InvalidInput || !strings.Contains(err.Message, bad)) {
			t.Errorf("%s: %v, want %q", members, err, bad)
		}
	}
	if p, err := parseParams([]byte(`{"operationId":"/a/b","authToken":""}`)); err != nil || !p.tokened {
		t.Errorf("an empty token: %+v, %v", p, err)
	}
	for name, ok := range map[string]bool{
		"/a/b": true, "/a/b/c": true, "/A9_.-/0": true, "/a/" + strings.Repeat("b", 253): true, "/a/" + strings.Repeat("b", 254): false,
		"": false, "/": false, "a/b": false, "/a": false, "/a/": false, "//a": false, "/a//b": false, "/-a/b": false, "/a/.b": false, "/a/b ": false, "/a/b\n": false, "/a/é": false,
	} {
		if CheckName(name) == nil != ok {
			t.Errorf("name %q: %v", name, !ok)
		}
		payload := append(wire.AppendText([]byte(`{"operationId":`), name), '}')
		if _, err := parseParams(payload); (err == nil) != ok {
			t.Errorf("operationId %q: %v", name, err)
		}
	}
}

// The time that is left travels, and is measured by the clock that cannot be set.
func TestTimeoutsAreSpans(t *testing.T) {
	at := time.Now().Add(time.Minute)
	for text, want := range map[string]time.Duration{
		`"timeout":60000`: time.Minute, `"timeout":60000,"deadline":1`: time.Minute, `"deadline":1,"timeout":60000`: time.Minute,
		`"deadline":` + strconv.FormatInt(at.UnixMilli(), 10): time.Minute, `"deadline":1`: time.Until(time.UnixMilli(1)), `"timeout":0`: 0,
	} {
		p, err := parseParams([]byte(`{"operationId":"/a/b",` + text + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(p.deadline.String(), "m=") {
			t.Errorf("%s: %v has no monotonic clock", text, p.deadline)
		}
		if got := time.Until(p.deadline); (got - want).Abs() > 10*time.Second {
			t.Errorf("%s: %v are left, want %v", text, got, want)
		}
	}
	sent := string(closeRequest(appendRequest(nil, "/a/b", nil, 0, &Options{}), at))
	var members struct{ Timeout, Deadline int64 }
	if err := json.Unmarshal([]byte(sent), &members); err != nil || members.Deadline != 0 || members.Timeout <= 0 || members.Timeout > 60_000 {
		t.Errorf("%s: %v", sent, err)
	}
	if sent := string(appendTimeout(nil, time.Now().Add(-time.Hour))); sent != `,"timeout":0` {
		t.Errorf("a deadline that has passed is sent as %s", sent)
	}
}

// A head sends on what it has read of an identity, and nothing else.
func TestParseIdentity(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":"a","scopes":["x"],"resources":{"p":["1"]},"admin":true,"ID":"root","Scopes":["admin"]}`: `{"id":"a","scopes":["x"],"resources":{"p":["1"]}}`,
		`{"id":"a"}`: `{"id":"a","scopes":[]}`, `{"id":"a","scopes":null,"resources":null}`: `{"id":"a","scopes":[]}`, `{"id":"\u0061"}`: `{"id":"a","scopes":[]}`,
		`{"id":"a","id":"b"}`: "", `{"id":"a","scopes":["x"],"scopes":["y"]}`: "", `{"id":"a","resources":{"p":["1"],"p":["2"]}}`: "",
		`{"id":""}`: "", `{"ID":"a"}`: "", `{"id":7}`: "", `{"id":"\ud800"}`: "", `{"id":"a","scopes":"x"}`: "", `{"id":"a","scopes":[7]}`: "", `{"id":"a","resources":{"p":"1"}}`: "",
		`7`: "", `"a"`: "", `[]`: "", `{}`: "", `false`: "",
	} {
		id, ok := parseIdentity([]byte(text))
		if ok != (want != "") {
			t.Errorf("%s: taken is %v", text, ok)
			continue
		}
		if !ok {
			continue
		}
		if got, _ := json.Marshal(id); string(got) != want {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
}
