package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/principal"
)

// sshKeygen runs the real ssh-keygen; its absence is a failure, not a skip.
func sshKeygen(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen %v: %v (install openssh-client if it is missing)\n%s", args, err, out)
	}
	return string(out)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func TestSSHKeygenReadsOurKeys(t *testing.T) {
	for _, passphrase := range []string{"", "correct horse"} {
		key, err := GenerateKey()
		must(t, err)
		path := filepath.Join(t.TempDir(), "key")
		must(t, WritePrivateKey(path, key, "a comment", []byte(passphrase)))
		line := strings.TrimSpace(sshKeygen(t, "-y", "-P", passphrase, "-f", path))
		if want := MarshalPublicKey(public(key), "a comment"); line != want {
			t.Errorf("ssh-keygen -y printed %q, want %q", line, want)
		}
		if print := sshKeygen(t, "-l", "-f", path); !strings.Contains(print, principal.Fingerprint(public(key))) {
			t.Errorf("ssh-keygen -l printed %q, want %s", print, principal.Fingerprint(public(key)))
		}
		back, err := LoadPrivateKey(path, []byte(passphrase))
		if err != nil || !back.Equal(key) {
			t.Errorf("read back: %v", err)
		}
		if err := WritePrivateKey(path, key, "", nil); !errors.Is(err, os.ErrExist) {
			t.Errorf("an existing file was replaced: %v", err)
		}
	}
}

func TestWeReadSSHKeygensKeys(t *testing.T) {
	for _, passphrase := range []string{"", "correct horse"} {
		path := filepath.Join(t.TempDir(), "key")
		sshKeygen(t, "-q", "-t", "ed25519", "-N", passphrase, "-C", "theirs", "-f", path)
		key, err := LoadPrivateKey(path, []byte(passphrase))
		must(t, err)
		line, err := os.ReadFile(path + ".pub")
		must(t, err)
		want, comment, err := ParsePublicKey(string(line))
		if err != nil || comment != "theirs" || !want.Equal(public(key)) {
			t.Errorf("public key %q, %v", line, err)
		}
		if passphrase == "" {
			continue
		}
		if _, err := LoadPrivateKey(path, nil); !errors.Is(err, ErrPassphraseRequired) {
			t.Errorf("no passphrase: %v", err)
		}
		if _, err := LoadPrivateKey(path, []byte("wrong")); !errors.Is(err, ErrWrongPassphrase) {
			t.Errorf("wrong passphrase: %v", err)
		}
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, data, 0o600))
		must(t, os.Chmod(path, mode))
		return path
	}
	key, err := GenerateKey()
	must(t, err)
	good, err := MarshalPrivateKey(key, "", nil)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	ec, err := x509.MarshalECPrivateKey(ecKey)
	must(t, err)
	rsaOpenSSH, err := ssh.MarshalPrivateKey(rsaKey, "")
	must(t, err)
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for name, c := range map[string]struct{ path, want string }{
		"missing":      {filepath.Join(dir, "none"), "no such file"},
		"directory":    {dir, "is a directory"},
		"empty":        {write("empty", nil, 0o600), "is empty"},
		"blank":        {write("blank", []byte("\n \n"), 0o600), "is empty"},
		"open":         {write("open", good, 0o644), "chmod 600"},
		"group":        {write("group", good, 0o640), "chmod 600"},
		"PKCS#8":       {write("pkcs8", block("PRIVATE KEY", pkcs8), 0o600), "ssh-keygen -p"},
		"PKCS#1":       {write("pkcs1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), 0o600), "ssh-keygen -p"},
		"EC":           {write("ec", block("EC PRIVATE KEY", ec), 0o600), "ssh-keygen -p"},
		"RSA":          {write("rsa", pem.EncodeToMemory(rsaOpenSSH), 0o600), "ssh-rsa"},
		"text":         {write("text", []byte("hello"), 0o600), "not a private key"},
		"large":        {write("large", make([]byte, maxKeyFile+1), 0o600), "too large"},
		"damaged":      {write("damaged", bytes.Replace(good, []byte("\n"), []byte("\nAAAA"), 1), 0o600), "damaged"},
		"a public key": {write("pub", []byte(MarshalPublicKey(public(key), "")), 0o600), "not a private key"},
	} {
		_, err := LoadPrivateKey(c.path, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one sentence with %q", name, err, c.want)
		}
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	good, err := MarshalPrivateKey(key, "seed", nil)
	must(f, err)
	f.Add(good)
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := ParsePrivateKey(data, nil)
		if err != nil {
			return
		}
		again, err := MarshalPrivateKey(key, "", nil)
		must(t, err)
		back, err := ParsePrivateKey(again, nil)
		if err != nil || !back.Equal(key) {
			t.Fatalf("a key that parsed did not survive: %v", err)
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	f.Add(MarshalPublicKey(public(key), "a name"))
	f.Add("ssh-rsa AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		key, comment, err := ParsePublicKey(line)
		if err != nil {
			return
		}
		back, again, err := ParsePublicKey(MarshalPublicKey(key, comment))
		if err != nil || !back.Equal(key) || again != comment {
			t.Fatalf("%q came back with comment %q, %v", line, again, err)
		}
	})
}

// Each cipher that ssh-keygen knows opens; with another passphrase the error says so.
func TestCiphers(t *testing.T) {
	for name := range opensshCiphers {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			sshKeygen(t, "-q", "-t", "ed25519", "-a", "2", "-N", "correct horse", "-C", "theirs", "-Z", name, "-f", path)
			line, err := os.ReadFile(path + ".pub")
			must(t, err)
			want, _, err := ParsePublicKey(string(line))
			must(t, err)
			key, comment, err := LoadCommentedKey(path, []byte("correct horse"))
			if err != nil || comment != "theirs" || !want.Equal(public(key)) {
				t.Fatalf("%q, %v", comment, err)
			}
			for passphrase, want := range map[string]error{"wrong": ErrWrongPassphrase, "": ErrPassphraseRequired} {
				if _, err := LoadPrivateKey(path, []byte(passphrase)); !errors.Is(err, want) {
					t.Errorf("passphrase %q: %v", passphrase, err)
				}
			}
		})
	}
}

// "Wrong passphrase" is said of nothing else.
func TestWhatIsNoWrongPassphrase(t *testing.T) {
	key, err := GenerateKey()
	must(t, err)
	text, err := MarshalPrivateKey(key, "", []byte("correct horse"))
	must(t, err)
	block, _ := pem.Decode(text)
	change := func(from, to string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: bytes.Replace(block.Bytes, []byte(from), []byte(to), 1)})
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"another cipher":     {change("aes256-ctr", "rot13-a-tr"), "-Z aes256-ctr"},
		"another derivation": {change("bcrypt", "scrypt"), "ssh-keygen -p"},
		"cut":                {pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes[:len(block.Bytes)-7]}), "damaged"},
		"cut in the text":    {text[:len(text)-60], "damaged"},
		"another start":      {change("openssh-key-v1", "openssh-key-v2"), "damaged"},
	} {
		if _, err := ParsePrivateKey(c.text, []byte("correct horse")); err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrWrongPassphrase) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
