package node

import (
	"context"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// forever offers a subscription that sends nothing and ends with its caller; ended gets
// the code that its handler was told.
func forever(t *testing.T, registry *call.Registry, name string, scopes ...string) (ended chan call.Code) {
	t.Helper()
	ended = make(chan call.Code, 16)
	must(t, registry.HandleStream(call.OperationSpec{Name: name, AccessControl: call.AccessControl{RequiredScopes: scopes}}, func(ctx context.Context, _ *call.Request, send func(any) error) error {
		if err := send("begun"); err != nil {
			return err
		}
		<-ctx.Done()
		ended <- call.CodeOf(context.Cause(ctx))
		return ctx.Err()
	}))
	return ended
}

func begun(t *testing.T, c *Client, name string, options ...call.Option) *call.Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), name, nil, options...)
	must(t, err)
	t.Cleanup(s.Close)
	_, err = s.Next(t.Context())
	must(t, err)
	return s
}

// A request ends when what it was admitted by does: its token's credential, a scope, a
// rule.
func TestRunningRequestsAreJudgedAgain(t *testing.T) {
	w := start(t, "127.0.0.1:0", nil)
	ended := forever(t, w.head.cfg.Registry, "/x/forever", "watch")
	grant := auth.Grant{Key: public(w.clientKey), Scopes: []string{"watch"}}
	text, kept := auth.NewAPIKey()
	kept.Scopes = []string{"watch"}
	all := auth.Credentials{Grants: []auth.Grant{grant}, APIKeys: []auth.APIKey{kept}}
	set := auth.NewCredentialSet(all)
	policy := w.head.Policy()
	policy.Provider = set
	_, err := w.head.SetPolicy(policy)
	must(t, err)
	client, err := w.connect(t, nil)
	must(t, err)
	t.Cleanup(func() { client.Close(context.Background()) })
	wants := func(s *call.Subscription, code call.Code) {
		t.Helper()
		_, err := s.Next(t.Context())
		wantCode(t, err, code)
		if got := <-ended; got != code {
			t.Errorf("the handler was told %s, want %s", got, code)
		}
	}

	byToken := begun(t, client, "/x/forever", call.WithAuthToken(text))
	own := begun(t, client, "/x/forever")
	set.ReplaceAll(auth.Credentials{Grants: all.Grants}) // the API key is revoked
	w.head.Recheck()
	wants(byToken, call.Unauthenticated)

	less := grant
	less.Scopes = nil
	set.ReplaceAll(auth.Credentials{Grants: []auth.Grant{less}, DefaultScopes: []string{"other"}})
	w.head.Recheck()
	wants(own, call.Forbidden)

	set.ReplaceAll(all)
	w.head.Recheck()
	ruled := begun(t, client, "/x/forever")
	policy.Access = []call.AccessRule{{Path: "/x/*", Scopes: []string{"more"}}}
	_, err = w.head.SetPolicy(policy)
	must(t, err)
	wants(ruled, call.Forbidden)
	policy.Access = []call.AccessRule{}
	_, err = w.head.SetPolicy(policy)
	must(t, err)

	kept.Expires = time.Now().Add(300 * time.Millisecond)
	set.ReplaceAll(auth.Credentials{Grants: all.Grants, APIKeys: []auth.APIKey{kept}})
	wants(begun(t, client, "/x/forever", call.WithAuthToken(text)), call.Unauthenticated)
	_, err = client.Call(t.Context(), "/services/list", nil)
	must(t, err) // the session goes on
}
