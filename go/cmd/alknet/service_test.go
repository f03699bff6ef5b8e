//go:build unix

package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestService runs the secrets and the configuration of a node in a process apart.
func TestService(t *testing.T) {
	apart, home := state(t.TempDir()), state(t.TempDir())
	nodeKey := filepath.Join(string(home), "node")
	var made struct{ PublicKey string }
	must(t, json.Unmarshal([]byte(home.ok(t, "key", "generate", nodeKey, "--json")), &made))
	apart.ok(t, "authorize", made.PublicKey, "--scopes", "service:secrets,service:config")
	user := home.key(t, "user", "secrets:*")
	keys := filepath.Join(string(home), "authorized_keys")

	file := filepath.Join(string(apart), "node.toml")
	configure := func(more string) {
		must(t, os.WriteFile(file, []byte("[node]\nname = \"apart\"\n[auth]\nauthorized_keys = \""+keys+"\"\n"+more), 0o600))
	}
	configure("")
	phrase := writeFile(t, filepath.Join(string(apart), "phrase"), strings.Repeat("abandon ", 11)+"about\n", 0o600)
	offered := apart.start(t, "service", "--secrets", "--phrase-file", phrase, "--config-file", file, "--json")
	var told struct{ Addresses []string }
	must(t, json.Unmarshal([]byte(offered.line(t)), &told))
	address := told.Addresses[0]

	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"serve", "--secret-service", address, "--identity-from-secret"}, 2, "choose one of"}, {[]string{"serve", "--secret-service", "x"}, 2, "alknet service prints"},
		{[]string{"serve", "--secret-service", address, "--offer-secrets", "derive", "--offer-secret-derive"}, 2, "gives out no private keys"},
		{[]string{"serve", "--secret-service", address}, 1, "UNAUTHENTICATED"}, {[]string{"serve", "--config", address}, 1, "UNAUTHENTICATED"}, // with a key that the service does not know
		{[]string{"service"}, 2, "offer nothing"}, {[]string{"service", "--config-file", "/no/such/file"}, 1, "authorized_keys"}, {[]string{"service", "--config-file", file, "--listen", "tcp://127.0.0.1:0", "--authorized-keys", keys}, 1, "unix:// or quic://"},
	} {
		_, stderr, status := state(t.TempDir()).run(t, c.args...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("alknet %s: status %d, %s; want %d, %s", strings.Join(c.args, " "), status, stderr, c.status, c.want)
		}
	}

	head, where := home.serve(t, "--key", nodeKey, "--config", address, "--secret-service", address, "--offer-secrets", "publicKey,sign,encrypt,decrypt")
	call := func(operation, input string) string {
		t.Helper()
		return home.ok(t, "call", where, operation, input, "--key", user)
	}
	if got := call("/node/info", "null"); !strings.Contains(got, `"name":"apart"`) {
		t.Errorf("the node is configured as %s", got)
	}
	var key struct{ PublicKey []byte }
	must(t, json.Unmarshal([]byte(call("/secrets/publicKey", `{"path":"m/74'/3'/0'"}`)), &key))
	var signed struct{ Signature, PublicKey []byte }
	must(t, json.Unmarshal([]byte(call("/secrets/sign", `{"path":"m/74'/3'/0'","message":"aGVsbG8="}`)), &signed))
	if len(signed.Signature) != 64 || string(signed.PublicKey) != string(key.PublicKey) {
		t.Errorf("signed %+v", signed)
	}
	plaintext := base64.StdEncoding.EncodeToString([]byte("sealed"))
	sealed := strings.TrimSpace(call("/secrets/encrypt", `{"plaintext":"`+plaintext+`"}`))
	if got := call("/secrets/decrypt", sealed); !strings.Contains(got, plaintext) {
		t.Errorf("opened %s", got)
	}
	if _, stderr, status := home.run(t, "call", where, "/secrets/sign", `{"path":"m/74'/0'/0'/0'","message":""}`, "--key", user); status != 1 || !strings.Contains(stderr, "FORBIDDEN") {
		t.Errorf("the identity's key: %d, %s", status, stderr)
	}

	// Another configuration reaches the node by itself.
	configure("[[access]]\npath = \"/secrets/*\"\nscopes = [\"admin\"]\n")
	must(t, offered.cmd.Process.Signal(syscall.SIGHUP))
	for {
		_, stderr, status := home.run(t, "call", where, "/secrets/publicKey", `{"path":"m/74'/3'/0'"}`, "--key", user)
		if status == 1 && strings.Contains(stderr, "FORBIDDEN") {
			break
		}
		if status != 0 {
			t.Fatalf("status %d, %s", status, stderr)
		}
	}
	// Without the service the node goes on, and says that it cannot use the keys.
	configure("")
	must(t, offered.cmd.Process.Signal(syscall.SIGHUP))
	for status := 1; status != 0; {
		_, _, status = home.run(t, "call", where, "/secrets/publicKey", `{"path":"m/74'/3'/0'"}`, "--key", user)
	}
	if status := offered.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("service: status %d, %s", status, offered.told.String())
	}
	if _, stderr, status := home.run(t, "call", where, "/secrets/publicKey", `{"path":"m/74'/3'/0'"}`, "--key", user); status != 1 || !strings.Contains(stderr, "UNAVAILABLE") {
		t.Errorf("without the service: %d, %s", status, stderr)
	}
	if status := head.end(t, syscall.SIGTERM); status != 0 || strings.Contains(head.told.String(), "abandon") {
		t.Errorf("head: status %d, %s", status, head.told.String())
	}
}
