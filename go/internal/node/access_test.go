package node

import (
	"context"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/call"
)

// TestAccessOfTheConfiguration follows [[access]] and the scopes of a registered node
// through reloads.
func TestAccessOfTheConfiguration(t *testing.T) {
	user, worker := newKey(t), newKey(t)
	text := func(access, scopes string) string {
		return loopback + access + grant(user, `scopes = ["shell"]`) + grant(worker, "scopes = ["+scopes+"]")
	}
	const may = `"node:register:dev1"`
	s := serveFile(t, text("", may))
	registry := call.NewRegistry()
	must(t, registry.Handle(call.OperationSpec{Name: "/bash/run"}, func(context.Context, *call.Request) (any, error) { return 1, nil }))
	states := make(chan State, 4)
	w, err := s.connect(t, func(c *ClientConfig) { c.Key, c.Registry, c.OnState = worker, registry, func(s State) { states <- s } })
	must(t, err)
	ctx := context.Background()
	must(t, w.Join(ctx, "dev1"))
	client := s.as(t, user)
	for _, c := range []struct {
		access string
		want   call.Code
	}{
		{"", ""}, {"[[access]]\npath = \"/*/bash/*\"\nscopes = [\"root\"]\n", call.Forbidden}, {"[[access]]\npath = \"/*/bash/*\"\nscopes = [\"shell\"]\n", ""},
		{"[[access]]\npath = \"/**/run\"\nscopes = [\"root\"]\n", call.Forbidden}, {"", ""},
	} {
		s.write(t, "alknet.toml", text(c.access, may))
		_, err := s.Reload()
		must(t, err)
		if _, err := client.Call(ctx, "/dev1/bash/run", nil); (err == nil) != (c.want == "") || err != nil && call.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", c.access, err, c.want)
		}
	}
	s.write(t, "alknet.toml", text("[[access]]\npath = \"/**/x/**\"\nscopes = [\"root\"]\n", may))
	if _, err := s.Reload(); err == nil || !strings.Contains(err.Error(), "access[0].path") {
		t.Errorf("a bad pattern: %v", err)
	}
	_, err = client.Call(ctx, "/dev1/bash/run", nil)
	must(t, err)
	// A key that may not register any more loses its name, and stays connected.
	s.write(t, "alknet.toml", text("", `"other"`))
	_, err = s.Reload()
	must(t, err)
	_, err = client.Call(ctx, "/dev1/bash/run", nil)
	wantCode(t, err, call.NotFound)
	if s := <-states; s.Status != Left || call.CodeOf(s.Err) != call.Forbidden {
		t.Errorf("the worker was told %+v", s)
	}
	_, err = w.Call(ctx, "/head/nodes/list", nil)
	must(t, err)
}
