package auth

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestWithin(t *testing.T) {
	a, _, err := ParsePublicKey(keyLine(1))
	must(t, err)
	b, _, err := ParsePublicKey(keyLine(2))
	must(t, err)
	nets := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	early, late := time.Unix(1e9, 0), time.Unix(2e9, 0)
	old := Credentials{
		Grants: []Grant{
			{Key: a, Scopes: []string{"fs:*", "admin"}, Resources: map[string][]string{"p": {"1", "2"}}, From: nets("192.0.2.0/24"), Expires: late},
			{Key: b},
			{Key: b, CertAuthority: true, Principals: []string{"x", "y"}},
		},
		APIKeys: []APIKey{{Prefix: "one", Scopes: []string{"a", "b"}}, {Prefix: "two"}}, Revoked: nil, DefaultScopes: []string{"d", "e"},
	}
	next := Credentials{
		Grants: []Grant{
			{Key: a, Scopes: []string{"fs:read", "other"}, Resources: map[string][]string{"p": {"2", "3"}, "q": {"1"}}, From: nets("192.0.2.128/25", "2001:db8::/32"), NotFrom: nets("192.0.2.200/32"), Expires: early, NoForwarding: true},
			{Key: b},
			{Key: b, CertAuthority: true, Principals: []string{"y", "z"}},
		},
		APIKeys: []APIKey{{Prefix: "one", Scopes: []string{"b", "c"}, Expires: early}, {Prefix: "three"}}, DefaultScopes: []string{"e", "f"},
	}
	got := old.Within(next)
	want := []Grant{
		{Key: a, Scopes: []string{"fs:read"}, Resources: map[string][]string{"p": {"2"}}, From: nets("192.0.2.128/25"), NotFrom: nets("192.0.2.200/32"), Expires: early, NoForwarding: true},
		{Key: b, Scopes: []string{"e"}},
		{Key: b, Scopes: []string{"e"}, CertAuthority: true, Principals: []string{"y"}},
	}
	if !reflect.DeepEqual(got.Grants, want) {
		t.Errorf("grants %+v\nwant   %+v", got.Grants, want)
	}
	if keys := []APIKey{{Prefix: "one", Scopes: []string{"b"}, Expires: early}}; !reflect.DeepEqual(got.APIKeys, keys) {
		t.Errorf("API keys %+v", got.APIKeys)
	}
	next.Revoked = append(next.Revoked, a)
	if got := old.Within(next); len(got.Revoked) != 1 {
		t.Errorf("revoked %v", got.Revoked)
	}
	apart := Credentials{Grants: []Grant{{Key: a, From: nets("198.51.100.0/24")}, {Key: b, CertAuthority: true, Principals: []string{"z"}}}}
	if got := old.Within(apart); len(got.Grants) != 0 {
		t.Errorf("grants that have nothing in common: %+v", got.Grants)
	}
}

// A key that a program grants twice has what both grants give.
func TestGrantedTwice(t *testing.T) {
	a, _, err := ParsePublicKey(keyLine(1))
	must(t, err)
	id, err := NewKeySet([]Grant{{Key: a, Scopes: []string{"x", "y"}}, {Key: a, Scopes: []string{"y", "z"}}}, nil).IdentityFromKey(t.Context(), a)
	if err != nil || !reflect.DeepEqual(id.Scopes, []string{"y"}) {
		t.Errorf("%+v, %v", id, err)
	}
	one, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	apart := NewKeySet([]Grant{{Key: a, From: []netip.Prefix{one}}, {Key: a, From: []netip.Prefix{other}}}, nil)
	_, err = apart.IdentityFromKey(ContextWithPeerAddr(t.Context(), one.Addr()), a)
	wantReason(t, err, "revoked-key")
}

func TestLinesOfKeys(t *testing.T) {
	good := keyLine(1)
	for name, c := range map[string]struct {
		text string
		bad  []int // lines
		keys int
	}{
		"LF": {good + "\n" + keyLine(2) + "\n", nil, 2}, "CRLF": {good + "\r\n" + keyLine(2) + "\r\n", nil, 2}, "a mark": {"\ufeff" + good, nil, 1},
		"CR": {good + "\r" + keyLine(2) + "\n" + keyLine(3), []int{1}, 1}, "NUL": {"# a comment\n" + good + "\n" + keyLine(2) + "\x00", []int{3}, 1},
		"escape": {good + " a\x1b[31m\n" + keyLine(2) + " b\n", []int{1}, 1}, "no UTF-8": {good + " \xff\n" + keyLine(2), []int{1}, 1}, "comments too": {"# a\rb\n" + good, []int{1}, 1},
		"two": {"x\n" + good + "\ny\n" + keyLine(2), []int{1, 3}, 2}, "UTF-16": {"\xff\xfes\x00s\x00h\x00", []int{0}, 0},
	} {
		grants, err := ParseAuthorizedKeys("f", []byte(c.text))
		revoked, _, revokedErr := ParseRevokedKeys("f", []byte(c.text))
		if len(grants) != c.keys || len(revoked) != c.keys {
			t.Errorf("%s: %d keys, %d revoked, want %d", name, len(grants), len(revoked), c.keys)
		}
		for _, err := range []error{err, revokedErr} {
			lines, _ := err.(LineErrors)
			var at []int
			for _, line := range lines {
				at = append(at, line.Line)
			}
			if !reflect.DeepEqual(at, c.bad) {
				t.Errorf("%s: %v, want lines %v", name, err, c.bad)
			}
		}
	}
	for _, text := range []string{good + "\n" + good, good + "\rx", "\xff\xfea\x00", good + " \x00"} {
		if _, _, err := ParsePublicKey(text); err == nil {
			t.Errorf("%q is taken for a public key", text)
		}
		if _, err := ParseCertificate(text); err == nil {
			t.Errorf("%q is taken for a certificate", text)
		}
	}
	for _, options := range []string{`from="192.0.2.1",from="192.0.2.2"`, `scopes="a",scopes="b"`, `resources="p=1",Resources="p=2"`, `expiry-time="20300101",expiry-time="20310101"`, `cert-authority,cert-authority`, `restrict="no"`, `from`, `cert-authority="no"`} {
		if _, err := ParseAuthorizedKeys("f", []byte(options+" "+good)); err == nil {
			t.Errorf("%s is taken", options)
		}
	}
}

func TestComments(t *testing.T) {
	for comment, good := range map[string]bool{"": true, "a b": true, "jörg@host": true, "a\nb": false, "a\tb": false, "a\x1bb": false, "a\u202eb": false, "a\u2028b": false, "a\x00": false, "\xff": false, " a": false, "a\u00a0b": false} {
		if err := CheckComment(comment); (err == nil) != good {
			t.Errorf("%q: %v", comment, err)
		}
		key, err := GenerateKey()
		must(t, err)
		if _, err := MarshalPrivateKey(key, comment, nil); (err == nil) != good {
			t.Errorf("a key with the comment %q: %v", comment, err)
		}
		if line := MarshalPublicKey(public(key), comment); len(line) < 60 || unprintableIn(line) {
			t.Errorf("%q", line)
		}
	}
}

func unprintableIn(s string) bool {
	for _, r := range s {
		if unprintable(r) {
			return true
		}
	}
	return false
}
