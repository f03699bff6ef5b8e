package auth

import (
	"context"
	"crypto/ed25519"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/principal"
)

func keyLine(n byte) string {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return MarshalPublicKey(public(ed25519.NewKeyFromSeed(seed)), "")
}

func TestAuthorizedKeys(t *testing.T) {
	text := strings.Join([]string{
		"# a comment", "",
		keyLine(1) + " plain key",
		`scopes="fs:*, admin",resources="project=p1,project=p2,site=s1" ` + keyLine(2) + " rich",
		`expiry-time="20300102",from="192.0.2.0/24,2001:db8::1" ` + keyLine(3),
		`expiry-time="203001021530Z",scopes="" ` + keyLine(4),
	}, "\n")
	grants, err := ParseAuthorizedKeys("keys", []byte(text))
	must(t, err)
	if len(grants) != 4 || grants[0].Comment != "plain key" || grants[0].Scopes != nil {
		t.Fatalf("grants %+v", grants)
	}
	if !reflect.DeepEqual(grants[1].Scopes, []string{"fs:*", "admin"}) || !reflect.DeepEqual(grants[1].Resources, map[string][]string{"project": {"p1", "p2"}, "site": {"s1"}}) {
		t.Errorf("rich: %+v", grants[1])
	}
	if !grants[2].Expires.Equal(time.Date(2030, 1, 2, 0, 0, 0, 0, time.Local)) || len(grants[2].From) != 2 {
		t.Errorf("restricted: %+v", grants[2])
	}
	if !grants[3].Expires.Equal(time.Date(2030, 1, 2, 15, 30, 0, 0, time.UTC)) || grants[3].Scopes == nil {
		t.Errorf("no scopes: %+v", grants[3])
	}
	for line, want := range map[string]string{
		"hello": "not a line", "verify-required " + keyLine(1): `"verify-required" is not known`, `command="ls" ` + keyLine(1): `"command"`,
		`from="*.example.com" ` + keyLine(1): "wildcards", `from="" ` + keyLine(1): "names no address", `from="!192.0.2.1" ` + keyLine(1): "names no address", `principals="a" ` + keyLine(1): "cert-authority", `cert-authority,principals="" ` + keyLine(1): "empty", `permitopen="a:1" ` + keyLine(1): `"permitopen"`,
		`expiry-time="tomorrow" ` + keyLine(1): "YYYYMMDD", `resources="p1" ` + keyLine(1): "type=id",
		"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 x": "not a line",
	} {
		_, err := ParseAuthorizedKeys("keys", []byte("# first\n"+line+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "keys:2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want keys:2 and %q", line, err, want)
		}
	}
}

func TestKeySet(t *testing.T) {
	grants, err := ParseAuthorizedKeys("keys", []byte(keyLine(1)+"\n"+
		`scopes="a" `+keyLine(2)+"\n"+`expiry-time="20000101" `+keyLine(3)+"\n"+`from="192.0.2.0/24" `+keyLine(4)))
	must(t, err)
	set := NewKeySet(grants, []string{"default"})
	inside := ContextWithPeerAddr(context.Background(), netip.MustParseAddr("192.0.2.7"))
	outside := ContextWithPeerAddr(context.Background(), netip.MustParseAddr("192.0.3.7"))
	for _, c := range []struct {
		ctx    context.Context
		n      byte
		reason string
		scopes []string
	}{
		{inside, 1, "", []string{"default"}}, {inside, 2, "", []string{"a"}}, {inside, 3, "key-expired", nil},
		{inside, 4, "", []string{"default"}}, {outside, 4, "source-address", nil}, {context.Background(), 4, "source-address", nil}, {inside, 5, "unknown-key", nil},
	} {
		key, _, err := ParsePublicKey(keyLine(c.n))
		must(t, err)
		id, err := set.IdentityFromKey(c.ctx, key)
		wantReason(t, err, c.reason)
		if c.reason == "" && (id.ID != principal.Fingerprint(key) || !reflect.DeepEqual(id.Scopes, c.scopes)) {
			t.Errorf("key %d: %+v", c.n, id)
		}
	}
}

func TestScopes(t *testing.T) {
	id := &Identity{Scopes: []string{"fs:*", "admin", "*", "x*"}, Resources: map[string][]string{"p": {"1"}}}
	for scope, want := range map[string]bool{"fs:read": true, "fs:a:b": true, "fs": false, "fsx:read": false, "admin": true, "admin:x": false, "other": false, "xy": false, "x*": true} {
		if id.HasScope(scope) != want {
			t.Errorf("HasScope(%q) is %v", scope, !want)
		}
	}
	var nobody *Identity
	if nobody.HasScope("fs:read") || nobody.HasResource("p", "1") || !id.HasResource("p", "1") || id.HasResource("p", "2") || id.HasResource("q", "1") {
		t.Error("HasResource")
	}
}

func TestReplaceIsSeenAsAWhole(t *testing.T) {
	a, _, err := ParsePublicKey(keyLine(1))
	must(t, err)
	set := NewKeySet([]Grant{{Key: a, Scopes: []string{"x"}}}, nil)
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 1000 {
				id, err := set.IdentityFromKey(context.Background(), a)
				if err == nil && (len(id.Scopes) != 1 || id.Scopes[0] != "x") {
					t.Errorf("identity %+v", id)
				}
			}
		})
	}
	for range 500 {
		set.Replace(nil, []string{"y"})
		set.Replace([]Grant{{Key: a, Scopes: []string{"x"}}}, nil)
	}
	work.Wait()
}

func TestAppendAuthorizedKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	a, _, err := ParsePublicKey(keyLine(1))
	must(t, err)
	b, _, err := ParsePublicKey(keyLine(2))
	must(t, err)
	for _, c := range []struct {
		grant Grant
		added bool
	}{
		{Grant{Key: a, Comment: "first", Scopes: []string{"x", "y"}}, true}, {Grant{Key: b, Resources: map[string][]string{"p": {"1"}}}, true},
		{Grant{Key: a, Comment: "again", Expires: time.Unix(2_000_000_000, 0), From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, false},
	} {
		added, err := AppendAuthorizedKey(path, c.grant)
		if err != nil || added != c.added {
			t.Errorf("added %v, %v", added, err)
		}
	}
	data, err := os.ReadFile(path)
	must(t, err)
	grants, err := ParseAuthorizedKeys(path, data)
	if err != nil || len(grants) != 2 || grants[0].Comment != "again" || grants[0].Scopes != nil || !grants[0].Expires.Equal(time.Unix(2_000_000_000, 0)) || grants[1].Resources["p"][0] != "1" {
		t.Errorf("%v\n%s", err, data)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for name, grant := range map[string]Grant{"comma": {Key: a, Scopes: []string{"a,b"}}, "quote": {Key: a, Scopes: []string{`a"`}}, "line": {Key: a, Comment: "x\nssh-ed25519 y"}} {
		if _, err := AppendAuthorizedKey(path, grant); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	must(t, os.WriteFile(path, []byte("broken\n"), 0o600))
	if _, err := AppendAuthorizedKey(path, Grant{Key: a}); err == nil || !strings.Contains(err.Error(), ":1:") {
		t.Errorf("a broken file was changed: %v", err)
	}
}

func FuzzParseAuthorizedKeys(f *testing.F) {
	f.Add([]byte(keyLine(1)))
	f.Add([]byte(`scopes="a,b",from="192.0.2.1",expiry-time="20300101Z",resources="p=1" ` + keyLine(2) + " name"))
	f.Add([]byte("# nothing\n\n"))
	f.Add([]byte(`from="x\"y" ` + keyLine(1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		grants, err := ParseAuthorizedKeys("fuzz", data)
		if err != nil {
			return
		}
		for _, grant := range grants {
			line, err := grant.line()
			if err != nil {
				continue // a name that only a quoted option can hold
			}
			back, err := parseGrant([]byte(line))
			if err != nil || !back.Key.Equal(grant.Key) || len(back.Scopes) != len(grant.Scopes) || len(back.From) != len(grant.From) {
				t.Fatalf("%q: %+v came back as %+v, %v", line, grant, back, err)
			}
		}
	})
}
