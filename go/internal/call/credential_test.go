package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/auth"
)

// safe is a provider whose credential has the service's name as its secret.
type safe struct{ asked []string }

func (s *safe) Credential(_ context.Context, r *Request, service string) (Credential, error) {
	who := "anonymous"
	if r.Identity() != nil {
		who = r.Identity().ID
	}
	s.asked = append(s.asked, fmt.Sprintf("%s by %s for %s", service, r.Operation(), who))
	if service == "gone" {
		return nil, errors.New("LOCKED: the canary is locked")
	}
	return fixed(service), nil
}

type fixed string

func (f fixed) Service() string    { return string(f) }
func (f fixed) Text(string) string { return "" }
func (f fixed) Secret(_ context.Context, name string) ([]byte, error) {
	return []byte("canary-" + name), nil
}

func (f fixed) Reveal(context.Context) ([]byte, error) { return []byte(`{"token":"canary"}`), nil }

// TestCredentials has handlers ask for credentials that their registration lists, and
// for others, and looks at what their callers learn.
func TestCredentials(t *testing.T) {
	r := NewRegistry()
	var inside error
	use := func(ctx context.Context, req *Request) (any, error) {
		var in struct{ Service string }
		if err := json.Unmarshal(req.Input(), &in); err != nil {
			return nil, err
		}
		c, err := req.Credentials(ctx, in.Service)
		if inside = err; err != nil {
			return nil, err
		}
		secret, err := c.Secret(ctx, "token")
		return map[string]any{"service": c.Service(), "length": len(secret), "itself": c}, err
	}
	must(t, r.Handle(OperationSpec{Name: "/x/none"}, use))
	must(t, r.Handle(OperationSpec{Name: "/x/some"}, use, WithCredentials("github", "gone")))
	must(t, r.Handle(OperationSpec{Name: "/x/inner", Visibility: VisibilityInternal}, use, WithCredentials("github")))
	invoke(t, r, "/x/outer", "x", "inner", WithReach("/x/inner"))
	invoke(t, r, "/x/outside", "x", "none", WithReach("/x/none"), WithCredentials("github"))
	if err := r.Handle(OperationSpec{Name: "/x/bad"}, use, WithCredentials("")); err == nil {
		t.Error("a service without a name is taken")
	}
	ask := func(operation, service string) (string, error) {
		answer := make(single, 1)
		opts := &Options{}
		request := r.Start(Single, operation, []byte(`{"service":"`+service+`"}`), opts, &auth.Identity{ID: "alice"}, nil, answer)
		output, err := answer.wait(context.Background(), request, opts)
		return string(output), err
	}
	// Without a provider.
	if _, err := ask("/x/some", "github"); CodeOf(err) != Internal || !errors.Is(inside, ErrNoCredentials) || !strings.Contains(inside.Error(), "SetCredentials") {
		t.Errorf("%v, inside %v", err, inside)
	}
	provider := &safe{}
	r.SetCredentials(provider)
	for _, c := range []struct {
		operation, service string
		output             string // or INTERNAL, whatever went wrong
		inside             error
	}{
		{"/x/some", "github", `{"itself":"github","length":12,"service":"github"}`, nil},
		{"/x/some", "other", "", ErrCredentialNotListed},
		{"/x/none", "github", "", ErrCredentialNotListed},
		{"/x/outer", "github", `{"itself":"github","length":12,"service":"github"}`, nil},
		{"/x/outer", "gone", "", ErrCredentialNotListed},
		// What a handler lists is its own: what it invokes does not have it.
		{"/x/outside", "github", "", ErrCredentialNotListed},
		{"/x/some", "gone", "", nil},
	} {
		output, err := ask(c.operation, c.service)
		if output != c.output || (c.output == "") != (CodeOf(err) == Internal && err != nil) || c.inside != nil && !errors.Is(inside, c.inside) {
			t.Errorf("%s of %s: %s %v, inside %v", c.operation, c.service, output, err, inside)
		}
		// The caller learns nothing of what the node has or lacks.
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "credential") || strings.Contains(err.Error(), c.service)) {
			t.Errorf("the caller is told %v", err)
		}
	}
	if got, want := strings.Join(provider.asked, "; "), "github by /x/some for alice; github by /x/inner for handler:/x/outer; gone by /x/some for alice"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	r.SetCredentials(nil)
	if _, err := ask("/x/some", "github"); err == nil || !errors.Is(inside, ErrNoCredentials) {
		t.Errorf("%v, inside %v", err, inside)
	}
	// No operation of the node is about credentials.
	for _, spec := range r.Specs() {
		if strings.Contains(spec.Name, "credential") {
			t.Errorf("%s", spec.Name)
		}
	}
}
