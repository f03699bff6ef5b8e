package call

import (
	"context"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Credit holds for the answer of a query, too: nothing is sent before it.
func TestCreditOfQueries(t *testing.T) {
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/q/now"}, func(context.Context, *Request) (any, error) { return 7, nil }))
	must(t, r.Handle(OperationSpec{Name: "/q/fails"}, func(context.Context, *Request) (any, error) { return nil, Errorf(Conflict, "no") }))
	_, conn, frames := raw(t, r, Limits{})
	send(t, conn, wire.Requested, "1", `{"operationId":"/q/now","window":0}`)
	send(t, conn, wire.Requested, "2", `{"operationId":"/q/fails","window":0}`)
	send(t, conn, wire.Requested, "3", `{"operationId":"/q/now","window":0,"timeout":50}`)
	for _, want := range []string{"2", "3"} {
		if env := next(t, frames); env.ID != want || env.Type != wire.Failed {
			t.Fatalf("%s %s %s, want the error of %s: errors need no credit", env.Type, env.ID, env.Payload, want)
		}
	}
	send(t, conn, wire.Credit, "1", `{"n":1,"n":1}`) // malformed: ignored
	send(t, conn, wire.Requested, "4", `{"operationId":"/q/now"}`)
	if env := next(t, frames); env.ID != "4" || env.Type != wire.Responded {
		t.Fatalf("%s %s: an answer without credit", env.Type, env.ID)
	}
	send(t, conn, wire.Credit, "1", `{"n":1}`)
	for _, want := range []string{wire.Responded, wire.Completed} {
		if env := next(t, frames); env.ID != "1" || env.Type != want {
			t.Fatalf("%s %s, want %s", env.Type, env.ID, want)
		}
	}
}

// What a request may not be called ends the session.
func TestIDsOfRequests(t *testing.T) {
	for name, ids := range map[string][]string{"in use": {"1", "1"}, "of the other side's set": {"a1"}, "empty": {""}} {
		r := NewRegistry()
		must(t, r.Handle(OperationSpec{Name: "/h/hang"}, func(ctx context.Context, _ *Request) (any, error) { <-ctx.Done(); return nil, ctx.Err() }))
		_, conn, frames := raw(t, r, Limits{})
		for _, id := range ids {
			send(t, conn, wire.Requested, id, `{"operationId":"/h/hang"}`)
		}
		if env := next(t, frames); env.ID != "" || parseError(env.Payload).Code != ProtocolError {
			t.Errorf("an id that is %s: %s %s", name, env.ID, env.Payload)
		}
	}
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/h/hang"}, func(ctx context.Context, _ *Request) (any, error) { <-ctx.Done(); return nil, ctx.Err() }))
	_, conn, frames := raw(t, r, Limits{})
	send(t, conn, wire.Requested, "1", `{"operationId":"/h/hang"}`)
	send(t, conn, wire.Requested, "1", `{"operationId":7}`) // its refusal would look like the end of the older one
	if env := next(t, frames); env.ID != "" || parseError(env.Payload).Code != ProtocolError {
		t.Errorf("a malformed request with an id in use: %s %s", env.ID, env.Payload)
	}
}

// The form of forwardedFor comes before the right to use it; an empty token is a token.
func TestFormBeforeRights(t *testing.T) {
	r := NewRegistry()
	must(t, r.Handle(OperationSpec{Name: "/q/now"}, func(context.Context, *Request) (any, error) { return 7, nil }))
	_, conn, frames := raw(t, r, Limits{})
	for members, want := range map[string]Code{
		`"forwardedFor":7`: InvalidInput, `"forwardedFor":{}`: InvalidInput, `"forwardedFor":null,"authToken":"x"`: InvalidInput,
		`"forwardedFor":null`: Forbidden, `"forwardedFor":{"id":"a"}`: Forbidden, `"authToken":""`: Unauthenticated, `"hops":9`: InvalidInput,
	} {
		send(t, conn, wire.Requested, "x"+members[1:3], `{"operationId":"/q/now",`+members+`}`)
		if env := next(t, frames); env.Type != wire.Failed || parseError(env.Payload).Code != want {
			t.Errorf("%s: %s %s, want %s", members, env.Type, env.Payload, want)
		}
	}
	send(t, conn, wire.Requested, "8", `{"operationId":"/q/now","hops":8}`)
	if env := next(t, frames); env.Type != wire.Responded {
		t.Errorf("8 hops to an operation of this node: %s", env.Payload)
	}
}

// Pings are answered whatever they carry; on a byte stream nothing is waited for.
func TestPings(t *testing.T) {
	_, conn, frames := raw(t, NewRegistry(), Limits{})
	for _, payload := range []string{`{}`, `null`, `5`, `{"streams":2}`, `{"streams":"x"}`} {
		send(t, conn, wire.Ping, "p", payload)
		if env := next(t, frames); env.Type != wire.Pong || env.ID != "p" || string(env.Payload) != "{}" {
			t.Errorf("a ping with %s: %s %s %s", payload, env.Type, env.ID, env.Payload)
		}
	}
}

func TestParseOpen(t *testing.T) {
	for payload, bad := range map[string]bool{
		`{}`: false, `{"token":null,"certificate":null,"agent":null}`: false, `{"TOKEN":7}`: false, `{"x":1,"x":2}`: false,
		`null`: true, `[]`: true, `{"token":7}`: true, `{"agent":[]}`: true, `{"token":"a","token":"b"}`: true, `{"agent":"\ud800"}`: true,
	} {
		req, err := parseOpen(wire.Envelope{Type: wire.Open, Payload: []byte(payload)})
		if (err != nil) != bad || err != nil && err.Code != ProtocolError {
			t.Errorf("%s: %v", payload, err)
		}
		if !bad && (req.Token != nil || req.Certificate != nil) {
			t.Errorf("%s: a credential is read", payload)
		}
	}
	if req, err := parseOpen(wire.Envelope{Payload: []byte(`{"token":""}`)}); err != nil || req.Token == nil {
		t.Errorf("an empty token: %+v, %v", req, err)
	}
	if _, err := parseOpen(wire.Envelope{ID: "1", Payload: []byte(`{}`)}); err == nil {
		t.Error("an id is taken")
	}
}

func TestShapeOfAnswers(t *testing.T) {
	for _, c := range []struct {
		typ, payload string
		ok           bool
	}{
		{wire.Responded, `{}`, true}, {wire.Responded, `5`, false}, {wire.Completed, `null`, false}, {wire.Failed, `"x"`, false}, {wire.Failed, `{}`, false},
		{wire.Failed, `{"code":"A"}`, true}, {wire.Failed, `{"code":"a b\n"}`, false}, {wire.Failed, `{"code":"A","code":"B"}`, false}, {wire.Failed, `{"Code":"A"}`, false},
	} {
		if err := checkShape(wire.Envelope{Type: c.typ, Payload: []byte(c.payload)}); (err == nil) != c.ok || err != nil && err.Code != Internal {
			t.Errorf("%s %s: %v", c.typ, c.payload, err)
		}
	}
}
