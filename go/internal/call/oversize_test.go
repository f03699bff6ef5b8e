package call

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// What does not fit into a frame fails its own request, whatever part of it is large.
func TestOversize(t *testing.T) {
	large := strings.Repeat("x", wire.DefaultMaxFrame)
	server := echo(t, NewRegistry())
	must(t, server.Handle(OperationSpec{Name: "/large/error"}, func(context.Context, *Request) (any, error) {
		return nil, &Error{Code: "TOO_MUCH", Message: "m", Details: json.RawMessage(`"` + large + `"`)}
	}))
	must(t, server.Handle(OperationSpec{Name: "/large/output"}, func(context.Context, *Request) (any, error) { return large, nil }))
	_, client := pair(t, server, NewRegistry(), Limits{})
	ctx := context.Background()
	for _, c := range []struct {
		operation string
		input     any
		option    Option
		code      Code
	}{
		{"/echo/echo", large, WithWindow(0), InvalidInput},
		{"/echo/echo", 1, WithMetadata(map[string]string{"a": large}), InvalidInput},
		{"/echo/echo", 1, WithAuthToken(large), InvalidInput},
		{"/large/error", 1, WithWindow(0), "TOO_MUCH"},
		{"/large/output", 1, WithWindow(0), ResourceExhausted},
	} {
		_, err := client.Call(ctx, c.operation, c.input, c.option)
		wantCode(t, err, c.code)
	}
	got, err := client.Call(ctx, "/echo/echo", 1)
	if err != nil || string(got) != "1" {
		t.Errorf("after that: %s, %v", got, err)
	}
}
