package auth

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/principal"
)

// The kinds of authorities that ssh-keygen makes, and how each signs.
var authorities = []struct {
	name   string
	key    []string // of ssh-keygen -t
	sign   []string // of ssh-keygen -s
	reason string   // why its certificates are refused
	refuse string   // what is said of its line
}{
	{name: "ed25519", key: []string{"ed25519"}},
	{name: "ecdsa 256", key: []string{"ecdsa", "-b", "256"}},
	{name: "ecdsa 384", key: []string{"ecdsa", "-b", "384"}},
	{name: "ecdsa 521", key: []string{"ecdsa", "-b", "521"}},
	{name: "rsa 2048 with SHA-512", key: []string{"rsa", "-b", "2048"}},
	{name: "rsa 3072 with SHA-256", key: []string{"rsa", "-b", "3072"}, sign: []string{"-t", "rsa-sha2-256"}},
	{name: "rsa 2048 with SHA-512, said", key: []string{"rsa", "-b", "2048"}, sign: []string{"-t", "rsa-sha2-512"}},
	{name: "rsa with SHA-1", key: []string{"rsa", "-b", "2048"}, sign: []string{"-t", "ssh-rsa"}, reason: "signature-algorithm"},
	{name: "rsa 1024", key: []string{"rsa", "-b", "1024"}, reason: "unknown-authority", refuse: "an authority's RSA key of 1024 bits: want from 2048 to 8192"},
}

// TestKindsOfAuthorities has the real ssh-keygen make each kind of authority and sign
// with it.
func TestKindsOfAuthorities(t *testing.T) {
	ctx := context.Background()
	for _, c := range authorities {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ca, user := filepath.Join(dir, "ca"), filepath.Join(dir, "user")
			sshKeygen(t, append([]string{"-q", "-N", "", "-C", "the ca", "-f", ca, "-t"}, c.key...)...)
			sshKeygen(t, "-q", "-N", "", "-C", "user", "-f", user, "-t", "ed25519")
			sshKeygen(t, append([]string{"-q", "-s", ca, "-I", "user", "-n", "dev", "-V", "-1h:+1h"}, append(c.sign, user+".pub")...)...)
			read := func(name string) string {
				text, err := os.ReadFile(filepath.Join(dir, name))
				must(t, err)
				return strings.TrimSpace(string(text))
			}
			line := `cert-authority,principals="dev",scopes="fs:*" ` + read("ca.pub")
			grants, err := ParseAuthorizedKeys("keys", []byte("# the authority\n"+line+"\n"))
			if c.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), "keys:2: "+c.refuse) {
					t.Fatalf("the line is refused with %v", err)
				}
				public, _, err := parsePublicKey(read("ca.pub"))
				must(t, err)
				// As if it had got in, nevertheless.
				grants = []Grant{{Authority: public.Marshal(), CertAuthority: true}}
			} else {
				must(t, err)
				if again, err := grants[0].line(); err != nil || again != line {
					t.Errorf("written as %s, %v", again, err)
				}
				if back, err := parseGrant([]byte(line)); err != nil || !reflect.DeepEqual(back, grants[0]) {
					t.Errorf("came back as %+v, %v", back, err)
				}
			}
			certificate := read("user-cert.pub")
			key, err := ParseCertificate(certificate)
			must(t, err)
			set := NewKeySet(grants, nil)
			id, err := set.IdentityFromCertificate(ctx, certificate, key, "")
			wantReason(t, err, c.reason)
			if c.reason == "" {
				if id.ID != principal.Fingerprint(key) || !slices.Equal(id.Scopes, []string{"fs:*"}) {
					t.Errorf("identity %+v", id)
				}
				if again, err := set.Renew(ctx, id); err != nil || again.ID != id.ID {
					t.Errorf("renewed: %+v, %v", again, err)
				}
				// Revoked by a line of the file, whatever its type.
				keys, wires, err := ParseRevokedKeys("revoked", []byte(read("ca.pub")))
				must(t, err)
				set.ReplaceAll(Credentials{Grants: grants, Revoked: keys, RevokedAuthorities: wires})
				_, err = set.Renew(ctx, id)
				wantReason(t, err, "revoked-key")
			}
			// Nobody is let in by an authority that is not granted.
			other := newTestKey(t)
			_, err = NewKeySet([]Grant{{Key: public(other), CertAuthority: true}}, nil).IdentityFromCertificate(ctx, certificate, key, "")
			wantReason(t, err, "unknown-authority")
			// A key of another type than Ed25519 is nobody's who connects.
			if c.key[0] != "ed25519" {
				if _, err := ParseAuthorizedKeys("keys", []byte(read("ca.pub"))); err == nil || !strings.Contains(err.Error(), "only ssh-ed25519 is taken") {
					t.Errorf("a user's key: %v", err)
				}
			}
		})
	}
}

// A signature that is altered, or of another algorithm than its key's, is refused.
func TestSignaturesOfAuthorities(t *testing.T) {
	dir := t.TempDir()
	ca, user := filepath.Join(dir, "ca"), filepath.Join(dir, "user")
	sshKeygen(t, "-q", "-N", "", "-f", ca, "-t", "ecdsa")
	sshKeygen(t, "-q", "-N", "", "-f", user, "-t", "ed25519")
	sshKeygen(t, "-q", "-s", ca, "-I", "user", "-n", "dev", user+".pub")
	text, err := os.ReadFile(user + "-cert.pub")
	must(t, err)
	for name, c := range map[string]struct {
		change func(*ssh.Certificate)
		reason string
	}{
		"as it is":        {func(*ssh.Certificate) {}, ""},
		"altered":         {func(c *ssh.Certificate) { c.Signature.Blob[len(c.Signature.Blob)-1] ^= 1 }, "bad-signature"},
		"other principal": {func(c *ssh.Certificate) { c.ValidPrincipals[0] = "root" }, "bad-signature"},
		"other algorithm": {func(c *ssh.Certificate) { c.Signature.Format = ssh.KeyAlgoED25519 }, "signature-algorithm"},
		"SHA-1":           {func(c *ssh.Certificate) { c.Signature.Format = ssh.KeyAlgoRSA }, "signature-algorithm"},
		"none":            {func(c *ssh.Certificate) { c.Signature = nil }, "signature-algorithm"},
	} {
		certificate, _, err := parseCertificate(strings.TrimSpace(string(text)))
		must(t, err)
		c.change(certificate)
		if reason := signed(certificate); reason != c.reason {
			t.Errorf("%s: %q, want %q", name, reason, c.reason)
		}
	}
}

func TestKeysThatAreNoAuthoritys(t *testing.T) {
	dir := t.TempDir()
	for _, line := range []string{
		"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOSOtMEk2aZr0b5+fJcWnZNLwqRcwKuQUIHRyGwdVwhsAAAABHNzaDo= key",
	} {
		grant := Grant{CertAuthority: true}
		if err := grant.SetKey(line); err == nil || !strings.Contains(err.Error(), "an authority's key of type sk-ssh-ed25519") {
			t.Errorf("%v", err)
		}
	}
	path := filepath.Join(dir, "authorized_keys")
	ca := filepath.Join(dir, "ca")
	sshKeygen(t, "-q", "-N", "", "-f", ca, "-t", "ecdsa")
	text, err := os.ReadFile(ca + ".pub")
	must(t, err)
	grant := Grant{CertAuthority: true, Scopes: []string{"a"}}
	must(t, grant.SetKey(strings.TrimSpace(string(text))))
	for n, want := range []bool{true, false} { // the second time it is replaced
		if added, err := AppendAuthorizedKey(path, grant); err != nil || added != want {
			t.Errorf("%d: %v %v", n, added, err)
		}
	}
	other := Grant{CertAuthority: true, Key: public(newTestKey(t))}
	if added, err := AppendAuthorizedKey(path, other); err != nil || !added {
		t.Errorf("%v %v", added, err)
	}
}
