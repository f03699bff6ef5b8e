package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/principal"
)

// certify signs a user certificate for subject, good for an hour around now.
func certify(t testing.TB, ca ed25519.PrivateKey, subject ed25519.PublicKey, now time.Time, change func(*ssh.Certificate)) string {
	t.Helper()
	key, err := ssh.NewPublicKey(subject)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(ca)
	must(t, err)
	c := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: "dev", ValidPrincipals: []string{"dev", "ops"},
		ValidAfter: uint64(now.Add(-time.Hour).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": "", extensionPortForwarding: ""}},
	}
	if change != nil {
		change(c)
	}
	must(t, c.SignCert(rand.Reader, signer))
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c))) + " dev@example"
}

func newTestKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := GenerateKey()
	must(t, err)
	return key
}

func TestCertificates(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	ca, foreign, user, other := newTestKey(t), newTestKey(t), newTestKey(t), newTestKey(t)
	inside := ContextWithPeerAddr(context.Background(), netip.MustParseAddr("192.0.2.7"))
	outside := ContextWithPeerAddr(context.Background(), netip.MustParseAddr("198.51.100.7"))
	at := func(d time.Duration) uint64 { return uint64(now.Add(d).Unix()) }
	grant := Grant{Key: public(ca), CertAuthority: true, Scopes: []string{"fs:*"}}
	for _, c := range []struct {
		name   string
		signer ed25519.PrivateKey
		grants []Grant
		change func(*ssh.Certificate)
		ctx    context.Context
		proven ed25519.PublicKey
		mangle func(string) string
		reason string
	}{
		{name: "good"},
		{name: "foreign authority", signer: foreign, reason: "unknown-authority"},
		{name: "signed by itself", signer: user, reason: "unknown-authority"},
		{name: "no authority", grants: []Grant{{Key: public(ca)}}, reason: "unknown-authority"},
		{name: "of another key", proven: public(other), reason: "certificate-of-another-key"},
		{name: "not yet", change: func(c *ssh.Certificate) { c.ValidAfter = at(time.Second) }, reason: "certificate-not-yet-valid"},
		{name: "just begun", change: func(c *ssh.Certificate) { c.ValidAfter = at(0) }},
		{name: "just ended", change: func(c *ssh.Certificate) { c.ValidBefore = at(0) }, reason: "certificate-expired"},
		{name: "about to end", change: func(c *ssh.Certificate) { c.ValidBefore = at(time.Second) }},
		{name: "forever", change: func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 0, ssh.CertTimeInfinity }},
		{name: "host", change: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, reason: "host-certificate"},
		{name: "no principal", change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }, reason: "no-principal"},
		{name: "wrong principal", grants: []Grant{{Key: public(ca), CertAuthority: true, Principals: []string{"root"}}}, reason: "wrong-principal"},
		{name: "right principal", grants: []Grant{{Key: public(ca), CertAuthority: true, Principals: []string{"root", "ops"}, Scopes: []string{"fs:*"}}}},
		{name: "the first line that fits", grants: []Grant{
			{Key: public(ca), CertAuthority: true, Principals: []string{"root"}, Scopes: []string{"admin"}},
			{Key: public(ca), CertAuthority: true, Principals: []string{"dev"}, Expires: now}, grant,
			{Key: public(ca), CertAuthority: true, Scopes: []string{"never"}},
		}},
		{name: "authority that has expired", grants: []Grant{{Key: public(ca), CertAuthority: true, Expires: now}}, reason: "key-expired"},
		{name: "authority from elsewhere", grants: []Grant{{Key: public(ca), CertAuthority: true, From: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}}, reason: "source-address"},
		{name: "source address", change: func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "203.0.113.1,192.0.2.0/24"}
		}},
		{name: "wrong source address", ctx: outside, change: func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "203.0.113.1,192.0.2.0/24"}
		}, reason: "source-address"},
		{name: "source address with a zone", ctx: ContextWithRemote(context.Background(), &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}), change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "fe80::/10"} }},
		{name: "source address unknown", ctx: context.Background(), change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "192.0.2.0/24"} }, reason: "source-address"},
		{name: "malformed source address", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "example.com"} }, reason: "critical-option"},
		{name: "force-command", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "/bin/true"} }, reason: "force-command"},
		{name: "unknown critical option", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"verify-required": ""} }, reason: "critical-option"},
		{name: "truncated", mangle: func(s string) string { return s[:len(s)/2] }, reason: "malformed-certificate"},
		{name: "a plain key", mangle: func(string) string { return MarshalPublicKey(public(user), "") }, reason: "malformed-certificate"},
		{name: "options before it", mangle: func(s string) string { return "restrict " + s }, reason: "malformed-certificate"},
		{name: "two", mangle: func(s string) string { return s + "\n" + s }, reason: "malformed-certificate"},
		{name: "too long", mangle: func(s string) string { return s + strings.Repeat("x", maxCertificate) }, reason: "malformed-certificate"},
		{name: "nothing", mangle: func(string) string { return "" }, reason: "malformed-certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.signer == nil {
				c.signer = ca
			}
			if c.grants == nil {
				c.grants = []Grant{grant}
			}
			if c.ctx == nil {
				c.ctx = inside
			}
			if c.proven == nil {
				c.proven = public(user)
			}
			line := certify(t, c.signer, public(user), now, c.change)
			if c.mangle != nil {
				line = c.mangle(line)
			}
			set := NewKeySet(c.grants, []string{"default"})
			set.now = func() time.Time { return now }
			id, err := set.IdentityFromCertificate(c.ctx, line, c.proven, "")
			wantReason(t, err, c.reason)
			if c.reason != "" {
				return
			}
			if id.ID != principal.Fingerprint(public(user)) || !slices.Equal(id.Scopes, []string{"fs:*"}) || id.NoForwarding {
				t.Errorf("identity %+v", id)
			}
			again, err := set.Renew(c.ctx, id)
			if err != nil || !reflect.DeepEqual(again, id) {
				t.Errorf("renewed: %+v, %v", again, err)
			}
			set.ReplaceAll(Credentials{Grants: c.grants, Revoked: []ed25519.PublicKey{public(user)}})
			_, err = set.Renew(c.ctx, id)
			wantReason(t, err, "revoked-key")
			set.ReplaceAll(Credentials{Grants: c.grants, Revoked: []ed25519.PublicKey{public(ca)}})
			_, err = set.IdentityFromCertificate(c.ctx, line, c.proven, "")
			wantReason(t, err, "revoked-key")
		})
	}
}

// Any byte of a certificate that is changed is noticed.
func TestCertificateIsSigned(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	ca, user := newTestKey(t), newTestKey(t)
	set := NewKeySet([]Grant{{Key: public(ca), CertAuthority: true}}, nil)
	set.now = func() time.Time { return now }
	good := certify(t, ca, public(user), now, nil)
	lead := len("ssh-ed25519-cert-v01@openssh.com ")
	end := lead + strings.IndexByte(good[lead:], ' ')
	for i := lead; i < end; i++ {
		bad := []byte(good)
		bad[i] = map[bool]byte{true: 'B', false: 'A'}[bad[i] == 'A']
		if _, err := set.IdentityFromCertificate(context.Background(), string(bad), public(user), ""); err == nil {
			t.Fatalf("character %d was changed", i)
		}
	}
}

// Where no key is proven, a token signed with the certified key goes along.
func TestCertificateWithToken(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	ca, user := newTestKey(t), newTestKey(t)
	set := NewKeySet([]Grant{{Key: public(ca), CertAuthority: true}}, nil)
	set.now = func() time.Time { return now }
	line := certify(t, ca, public(user), now, nil)
	token := func(key ed25519.PrivateKey, at time.Time) string {
		text, err := NewToken(key, at)
		must(t, err)
		return text
	}
	for name, c := range map[string][2]string{
		"good": {token(user, now), ""}, "none": {"", "malformed-token"}, "another key's": {token(ca, now), "certificate-of-another-key"},
		"old": {token(user, now.Add(-time.Hour)), "token-expired"}, "an API key": {"alk_" + strings.Repeat("A", 43), "malformed-token"},
	} {
		_, err := set.IdentityFromCertificate(context.Background(), line, nil, c[0])
		t.Log(name)
		wantReason(t, err, c[1])
	}
	_, err := set.IdentityFromToken(context.Background(), token(user, now)) // the certificate is not known without being shown
	wantReason(t, err, "unknown-key")
}

func TestCertificateForbidsForwarding(t *testing.T) {
	now := time.Now()
	ca, user := newTestKey(t), newTestKey(t)
	forwarding := func(line string, grants ...Grant) bool {
		t.Helper()
		id, err := NewKeySet(grants, nil).IdentityFromCertificate(context.Background(), line, public(user), "")
		must(t, err)
		return !id.NoForwarding
	}
	with := certify(t, ca, public(user), now, nil)
	without := certify(t, ca, public(user), now, func(c *ssh.Certificate) { c.Extensions = nil })
	allow, deny := Grant{Key: public(ca), CertAuthority: true}, Grant{Key: public(ca), CertAuthority: true, NoForwarding: true}
	if !forwarding(with, allow) || forwarding(without, allow) || forwarding(with, deny) {
		t.Error("who may open tunnels")
	}
}

func TestSSHKeygensCertificates(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"ca", "user"} {
		sshKeygen(t, "-q", "-t", "ed25519", "-N", "", "-f", path(name))
	}
	sshKeygen(t, "-q", "-s", path("ca"), "-I", "dev", "-n", "dev", "-V", "-5m:+1h", "-O", "no-port-forwarding", "-O", "source-address=127.0.0.0/8", path("user.pub"))
	read := func(name string) string {
		data, err := os.ReadFile(path(name))
		must(t, err)
		return string(data)
	}
	grants, err := ParseAuthorizedKeys("keys", []byte(`cert-authority,principals="ops,dev",scopes="a" `+read("ca.pub")))
	must(t, err)
	user, err := LoadPrivateKey(path("user"), nil)
	must(t, err)
	set := NewKeySet(grants, nil)
	ctx := ContextWithPeerAddr(context.Background(), netip.MustParseAddr("127.0.0.9"))
	id, err := set.IdentityFromCertificate(ctx, read("user-cert.pub"), public(user), "")
	if err != nil || id.ID != principal.Fingerprint(public(user)) || !id.NoForwarding || !set.AcceptsCertificates() || time.Until(id.Expires) > 2*time.Hour {
		t.Errorf("identity %+v, %v", id, err)
	}
	if key, err := ParseCertificate(read("user-cert.pub")); err != nil || !key.Equal(public(user)) {
		t.Errorf("certified key %v, %v", key, err)
	}
}

func FuzzCertificate(f *testing.F) {
	now := time.Unix(1_900_000_000, 0)
	ca := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	set := NewKeySet([]Grant{{Key: public(ca), CertAuthority: true}}, nil)
	set.now = func() time.Time { return now }
	f.Add(certify(f, ca, public(ca), now, nil))
	f.Add(certify(f, ca, public(ca), now, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "::/0"} }))
	f.Add("ssh-ed25519-cert-v01@openssh.com AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		certificate, key, err := parseCertificate(line)
		if err != nil {
			return
		}
		id, err := set.IdentityFromCertificate(context.Background(), line, key, "")
		if err == nil && (signed(certificate) != "" || id.ID != principal.Fingerprint(key)) {
			t.Fatalf("%q is accepted as %+v", line, id)
		}
	})
}
