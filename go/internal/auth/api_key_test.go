package auth

import (
	"context"
	"crypto/ed25519"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAPIKeys(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	text, kept := NewAPIKey()
	if len(text) != 47 || text[:12] != kept.Prefix || strings.Contains(kept.Prefix, text[12:]) {
		t.Fatalf("%d characters, prefix %q", len(text), kept.Prefix)
	}
	kept.Scopes, kept.Resources = []string{"ci"}, map[string][]string{"project": {"p1"}}
	old, expired := NewAPIKey()
	expired.Expires = now
	strange, _ := NewAPIKey()
	set := NewCredentialSet(Credentials{APIKeys: []APIKey{kept, expired}, DefaultScopes: []string{"default"}})
	set.now = func() time.Time { return now }
	for name, c := range map[string][2]string{
		"good": {text, ""}, "expired": {old, "api-key-expired"}, "unknown": {strange, "unknown-api-key"},
		"same prefix": {text[:12] + strings.Repeat("A", 35), "unknown-api-key"}, "prefix alone": {text[:12], "malformed-api-key"},
		"short": {text[:46], "malformed-api-key"}, "long": {text + "A", "malformed-api-key"}, "padding": {text + "=", "malformed-api-key"},
		"line end": {text[:46] + "\n", "malformed-api-key"}, "unused bits": {"alk_" + strings.Repeat("A", 42) + "B", "malformed-api-key"},
		"standard alphabet": {"alk_" + strings.Repeat("+", 42) + "A", "malformed-api-key"}, "upper case": {"ALK_" + text[4:], "malformed-token"},
		"as long as a token": {"alk_" + strings.Repeat("A", 135), "unknown-key"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := set.IdentityFromToken(context.Background(), c[0])
			wantReason(t, err, c[1])
			if c[1] == "" && (id.ID != kept.Prefix || !slices.Equal(id.Scopes, []string{"ci"}) || !id.HasResource("project", "p1")) {
				t.Errorf("identity %+v", id)
			}
		})
	}
	id, err := set.IdentityFromToken(context.Background(), text)
	must(t, err)
	kept.Scopes = nil
	set.ReplaceAll(Credentials{APIKeys: []APIKey{kept}, DefaultScopes: []string{"default"}})
	if id, err = set.Renew(context.Background(), id); err != nil || len(id.Scopes) != 0 || id.Scopes == nil {
		t.Errorf("a key without scopes: %+v, %v", id, err)
	}
	other, again := NewAPIKey()
	again.Prefix = kept.Prefix // another key under the same name is another credential
	set.ReplaceAll(Credentials{APIKeys: []APIKey{again}})
	_, err = set.Renew(context.Background(), id)
	wantReason(t, err, "unknown-api-key")
	_, err = set.IdentityFromToken(context.Background(), other)
	wantReason(t, err, "unknown-api-key")
}

func TestReplays(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	key, second := newTestKey(t), newTestKey(t)
	window := &ReplayWindow{}
	grants := []Grant{{Key: public(key)}, {Key: public(second)}}
	set := NewCredentialSet(Credentials{Grants: grants, Replays: window})
	set.now = func() time.Time { return now }
	token := func(key ed25519.PrivateKey, at time.Time) string {
		text, err := NewToken(key, at)
		must(t, err)
		return text
	}
	use := func(text, want string) {
		t.Helper()
		_, err := set.IdentityFromToken(context.Background(), text)
		wantReason(t, err, want)
	}
	early := token(key, now.Add(299*time.Second)) // the one that lives longest
	use(early, "")
	use(early, "replayed-token")
	use(token(second, now), "")
	use(token(key, now), "")
	set.ReplaceAll(Credentials{Grants: grants, Replays: window}) // a reload forgets nothing
	use(early, "replayed-token")
	for range 30 { // through more than two generations
		now = now.Add(20 * time.Second)
		want := "replayed-token"
		if now.After(time.Unix(1_900_000_000+599, 0)) {
			want = "token-expired"
		}
		use(early, want)
		use(token(key, now), "")
	}
	if n := len(window.young.tokens) + len(window.old.tokens); n > 40 {
		t.Errorf("%d tokens are remembered", n)
	}
	var taken atomic.Int32
	var work sync.WaitGroup
	shared := token(second, now.Add(time.Second))
	for range 8 {
		work.Go(func() {
			if _, err := set.IdentityFromToken(context.Background(), shared); err == nil {
				taken.Add(1)
			}
		})
	}
	work.Wait()
	if taken.Load() != 1 {
		t.Errorf("one token was taken %d times", taken.Load())
	}
}

// TestReplaysOfTheOlderGeneration uses a token that lives longer than the generation that
// it came in.
func TestReplaysOfTheOlderGeneration(t *testing.T) {
	const start = 1_900_000_000
	key := newTestKey(t)
	var clock int64
	set := NewCredentialSet(Credentials{Grants: []Grant{{Key: public(key)}}, Replays: &ReplayWindow{}})
	set.now = func() time.Time { return time.Unix(start+clock, 0) }
	use := func(at int64, want string) {
		t.Helper()
		text, err := NewToken(key, time.Unix(start+at, 0))
		must(t, err)
		_, err = set.IdentityFromToken(context.Background(), text)
		wantReason(t, err, want)
	}
	use(0, "") // the window begins
	clock = 599
	use(899, "")
	clock = 600
	use(600, "") // the generations turn
	for ; clock < 1200; clock++ {
		use(899, "replayed-token")
	}
}

func TestReplayWindowIsBounded(t *testing.T) {
	var w ReplayWindow
	var token Token
	for i := range maxReplays { // as many keys as the window has parts
		token.raw[0], token.raw[40], token.raw[41] = byte(i/maxReplaysOfKey), byte(i), byte(i>>8)
		if reason := w.take(token, 1000); reason != "" {
			t.Fatalf("token %d: %s", i, reason)
		}
	}
	token.raw[0] = 255
	if reason := w.take(token, 1000); reason != "replay-window-full" {
		t.Errorf("one more: %q", reason)
	}
	for _, now := range []int64{1000 + 2*tokenWindow, 1000 + 4*tokenWindow} {
		w.take(Token{}, now)
	}
	if reason := w.take(token, 1000+4*tokenWindow); reason != "" {
		t.Errorf("when the others have expired: %q", reason)
	}
}

// A key has its part of the window, in both generations together, and no more.
func TestReplayWindowHasParts(t *testing.T) {
	var w ReplayWindow
	token := func(key byte, i int) (t Token) {
		t.raw[0], t.raw[40], t.raw[41] = key, byte(i), byte(i>>8)
		return t
	}
	for i := range maxReplaysOfKey {
		now := int64(10_000)
		if i >= maxReplaysOfKey/2 {
			now += 2 * tokenWindow // the next generation
		}
		if reason := w.take(token(1, i), now); reason != "" {
			t.Fatalf("token %d: %s", i, reason)
		}
	}
	now := int64(10_000 + 2*tokenWindow)
	if reason := w.take(token(1, maxReplaysOfKey), now); reason != "replay-window-full" {
		t.Errorf("one more of the same key: %q", reason)
	}
	if reason := w.take(token(2, 0), now); reason != "" {
		t.Errorf("one of another key: %q", reason)
	}
	if reason := w.take(token(1, maxReplaysOfKey), now+2*tokenWindow); reason != "" {
		t.Errorf("once half of them have expired: %q", reason)
	}
}

func TestRevokedKeys(t *testing.T) {
	key := newTestKey(t)
	set := NewCredentialSet(Credentials{Grants: []Grant{{Key: public(key)}}})
	id, err := set.IdentityFromKey(context.Background(), public(key))
	must(t, err)
	token, err := NewToken(key, time.Now())
	must(t, err)
	set.ReplaceAll(Credentials{Grants: []Grant{{Key: public(key)}}, Revoked: []ed25519.PublicKey{public(key)}})
	_, err = set.IdentityFromKey(context.Background(), public(key))
	wantReason(t, err, "revoked-key")
	_, err = set.IdentityFromToken(context.Background(), token)
	wantReason(t, err, "revoked-key")
	_, err = set.Renew(context.Background(), id)
	wantReason(t, err, "revoked-key")
	foreign := &Identity{ID: "of another provider"}
	if got, err := set.Renew(context.Background(), foreign); err != nil || got != foreign {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOptionsOfAuthorities(t *testing.T) {
	grants, err := ParseAuthorizedKeys("keys", []byte(strings.Join([]string{
		`cert-authority,principals="dev,ops",from="192.0.2.0/24,!192.0.2.7" ` + keyLine(1),
		`restrict,pty,no-X11-forwarding ` + keyLine(2), `no-port-forwarding,port-forwarding ` + keyLine(3),
	}, "\n")))
	must(t, err)
	if !grants[0].CertAuthority || !slices.Equal(grants[0].Principals, []string{"dev", "ops"}) || len(grants[0].From) != 1 || len(grants[0].NotFrom) != 1 ||
		!grants[1].NoForwarding || grants[2].NoForwarding {
		t.Errorf("%+v", grants)
	}
	for _, grant := range grants {
		line, err := grant.line()
		must(t, err)
		if back, err := parseGrant([]byte(line)); err != nil || !reflect.DeepEqual(back, grant) {
			t.Errorf("%s came back as %+v, %v", line, back, err)
		}
	}
}
