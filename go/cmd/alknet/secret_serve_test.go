//go:build unix

package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/secret"
)

// served is a node of the binary that has its keys from a phrase.
type served struct {
	cmd      *exec.Cmd
	home     string
	log      bytes.Buffer
	greeting struct {
		Addresses             []string
		EndpointID            string
		Fingerprint           string
		SSHHostKey            string
		SSHHostKeyFingerprint string
		Memory                string
		OfferedSecrets        []string
	}
	rest chan error
}

func serveSecret(t *testing.T, scopes []string, more ...string) *served {
	t.Helper()
	return serveWith(t, scopes, []*os.File{pipeOf(t, vectors(t)[0].Mnemonic)}, append([]string{"--identity-from-secret", "--phrase-fd", "3"}, more...)...)
}

func serveWith(t *testing.T, scopes []string, descriptors []*os.File, flags ...string) *served {
	t.Helper()
	s := &served{home: t.TempDir(), rest: make(chan error, 1)}
	keyFile := filepath.Join(s.home, "state", "client_key")
	must(t, os.Mkdir(filepath.Dir(keyFile), 0o700))
	key, err := auth.GenerateKey()
	must(t, err)
	must(t, auth.WritePrivateKey(keyFile, key, "", nil))
	_, err = auth.AppendAuthorizedKey(filepath.Join(s.home, "state", "authorized_keys"), auth.Grant{Key: key.Public().(ed25519.PublicKey), Scopes: scopes})
	must(t, err)
	s.cmd = command(t, append([]string{"serve", "--listen", "tcp://127.0.0.1:0", "--json"}, flags...)...)
	s.cmd.Env = environment(s.home)
	s.cmd.ExtraFiles = descriptors
	s.cmd.Stderr = &s.log
	stdout, err := s.cmd.StdoutPipe()
	must(t, err)
	must(t, s.cmd.Start())
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		_ = s.cmd.Wait()
		t.Fatalf("%v: %s", err, s.log.String())
	}
	must(t, json.Unmarshal(line, &s.greeting))
	go func() { // until it ends
		_, err := io.Copy(io.Discard, lines)
		s.rest <- errors.Join(err, s.cmd.Wait())
	}()
	return s
}

// stop ends the node and returns its log.
func (s *served) stop(t *testing.T) string {
	t.Helper()
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	if err := <-s.rest; err != nil {
		t.Errorf("the node ends with %v: %s", err, s.log.String())
	}
	return s.log.String()
}

func (s *served) call(t *testing.T, operation, input string) result {
	t.Helper()
	cmd := command(t, "call", s.greeting.Addresses[0], operation, input)
	cmd.Env = environment(s.home)
	return finish(t, cmd)
}

func TestServeIdentityFromSecret(t *testing.T) {
	v := vectors(t)[0]
	s := serveSecret(t, []string{"secrets:*"})
	if s.greeting.Fingerprint != v.fingerprint() || !strings.Contains(s.greeting.Addresses[0], s.greeting.EndpointID) {
		t.Errorf("the node is %+v, not %s", s.greeting, v.fingerprint())
	}
	var host struct{ SSHPublicKey, Fingerprint string }
	wellJSON(t, &host, v.Mnemonic, "secret", "derive", secret.SSHHostKeyPath().String())
	if s.greeting.SSHHostKey != host.SSHPublicKey || s.greeting.SSHHostKeyFingerprint != host.Fingerprint {
		t.Errorf("the SSH host key is %+v, not %+v", s.greeting, host)
	}
	if s.greeting.Memory != "locked" && s.greeting.Memory != "unlocked" || len(s.greeting.OfferedSecrets) != 0 {
		t.Errorf("greeting: %+v", s.greeting)
	}
	// The address pins the derived key, so an answer shows that the node has it.
	if r := s.call(t, "/echo/echo", `"hello"`); r.stdout != "\"hello\"\n" {
		t.Errorf("exit %d: %s", r.exit, r.stderr)
	}
	if r := s.call(t, "/services/list", "null"); r.exit != 0 || strings.Contains(r.stdout, "/secrets/") {
		t.Errorf("listed: %s%s", r.stdout, r.stderr)
	}
	if r := s.call(t, "/secrets/publicKey", `{"path":"m/74'/3'/0'"}`); r.exit != 1 || !strings.HasPrefix(r.stderr, "alknet: NOT_FOUND: ") {
		t.Errorf("exit %d: %s", r.exit, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(s.home, "state", "node_key")); err == nil {
		t.Error("a key file was made, too")
	}
	log := s.stop(t)
	for _, want := range []string{"action=unlock", "action=lock"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

func TestServeOffersSecrets(t *testing.T) {
	s := serveSecret(t, []string{"secrets:sign", "secrets:publicKey", "secrets:derive"}, "--offer-secrets", "publicKey,sign,encrypt,decrypt")
	if !slices.Equal(s.greeting.OfferedSecrets, []string{"publicKey", "sign", "encrypt", "decrypt"}) {
		t.Errorf("greeting: %+v", s.greeting)
	}
	r := s.call(t, "/secrets/sign", `{"path":"m/74'/3'/0'","message":"aGVsbG8="}`)
	var signed struct{ Signature, PublicKey []byte }
	if r.exit != 0 || json.Unmarshal([]byte(r.stdout), &signed) != nil || !ed25519.Verify(signed.PublicKey, []byte("hello"), signed.Signature) {
		t.Errorf("exit %d: %s%s", r.exit, r.stdout, r.stderr)
	}
	for operation, c := range map[string]struct{ input, code string }{
		"/secrets/publicKey": {`{"path":"m/74'/0'/0'/0'"}`, "FORBIDDEN"},
		"/secrets/encrypt":   {`{"plaintext":"eA=="}`, "FORBIDDEN"},
		"/secrets/derive":    {`{"path":"m/74'/3'/0'"}`, "NOT_FOUND"},
		"/secrets/unlock":    {`null`, "NOT_FOUND"},
	} {
		if r := s.call(t, operation, c.input); r.exit != 1 || !strings.HasPrefix(r.stderr, "alknet: "+c.code+": ") {
			t.Errorf("%s: exit %d: %s", operation, r.exit, r.stderr)
		}
	}
	log := s.stop(t)
	if !strings.Contains(log, "operation=/secrets/sign identity=SHA256:") || strings.Contains(log, "hello") || strings.Contains(log, "aGVsbG8") {
		t.Errorf("log:\n%s", log)
	}
}

// The file says what the flags say, and flags are stronger.
func TestServeTakesSecretsFromTheFile(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "alknet.toml")
	must(t, os.WriteFile(filepath.Join(home, "words"), []byte(vectors(t)[0].Mnemonic+"\n"), 0o600))
	must(t, os.WriteFile(file, []byte("[secrets]\nidentity = true\nphrase_file = \"words\"\noffer = [\"sign\"]\npaths = [\"m/74'/3'/1'\"]\n"), 0o600))
	s := serveWith(t, []string{"secrets:sign"}, nil, "--config", file)
	if !slices.Equal(s.greeting.OfferedSecrets, []string{"sign"}) {
		t.Errorf("greeting: %+v", s.greeting)
	}
	if r := s.call(t, "/secrets/sign", `{"path":"m/74'/3'/1'/0'","message":"aGVsbG8="}`); r.exit != 0 {
		t.Errorf("exit %d: %s", r.exit, r.stderr)
	}
	if r := s.call(t, "/secrets/sign", `{"path":"m/74'/3'/0'","message":"aGVsbG8="}`); r.exit != 1 || !strings.HasPrefix(r.stderr, "alknet: FORBIDDEN: ") {
		t.Errorf("a path that is not below those of the file: exit %d: %s", r.exit, r.stderr)
	}
	s.stop(t)
	s = serveWith(t, []string{"secrets:publicKey"}, nil, "--config", file, "--offer-secrets", "publicKey")
	if !slices.Equal(s.greeting.OfferedSecrets, []string{"publicKey"}) {
		t.Errorf("greeting: %+v", s.greeting)
	}
	s.stop(t)
}

func TestServeOffersDerive(t *testing.T) {
	s := serveSecret(t, []string{"secrets:derive"}, "--offer-secrets", "derive", "--offer-secret-derive", "--secret-paths", "m/74'/0'/0'", "--log-format", "json")
	v := vectors(t)[0]
	r := s.call(t, "/secrets/derive", `{"path":"m/74'/0'/0'/1'"}`)
	var derived struct{ PrivateKey []byte }
	if r.exit != 0 || json.Unmarshal([]byte(r.stdout), &derived) != nil {
		t.Fatalf("exit %d: %s", r.exit, r.stderr)
	}
	known := false
	for _, key := range v.Keys {
		known = known || key.Path == "m/74'/0'/0'/1'" && key.PrivateKey == hexOf(derived.PrivateKey)
	}
	if !known {
		t.Error("not the vector's key")
	}
	if r := s.call(t, "/secrets/derive", `{"path":"m/74'/0'/0'/0'"}`); !strings.HasPrefix(r.stderr, "alknet: FORBIDDEN: ") {
		t.Errorf("the identity: exit %d: %s", r.exit, r.stderr)
	}
	if log := s.stop(t); strings.Count(log, "private keys can be had over the network") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

func TestServeAsksForThePhrase(t *testing.T) {
	v := vectors(t)[0]
	s := onScreen(t, nil, "serve", "--listen", "tcp://127.0.0.1:0", "--identity-from-secret")
	s.until("Phrase: ")
	s.enter(v.Mnemonic)
	s.until("ssh host key SHA256:")
	s.until("/echo/echo")
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	exit, shown := s.end()
	if exit != 0 || !strings.Contains(shown, "fingerprint  "+v.fingerprint()) || strings.Contains(shown, "abandon") {
		t.Errorf("exit %d:\n%s", exit, shown)
	}
}
