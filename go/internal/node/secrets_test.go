package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/secret"
)

const testPhrase = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func openStore(t testing.TB, options secret.Options) *secret.Store {
	t.Helper()
	store := secret.NewStore(options)
	t.Cleanup(store.Close)
	must(t, store.Unlock([]byte(testPhrase), nil))
	return store
}

// logBuffer is a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// secretsWorld is a head that offers secrets, and a client with some scopes.
type secretsWorld struct {
	*Client
	store *secret.Store
	log   *logBuffer
	id    string
}

func startSecrets(t testing.TB, cfg SecretsConfig, scopes ...string) *secretsWorld {
	t.Helper()
	w := &secretsWorld{store: cfg.Store, log: &logBuffer{}}
	cfg.Logger = slog.New(slog.NewTextHandler(w.log, nil))
	var registry *call.Registry
	head := start(t, "tcp://127.0.0.1:0", func(c *HeadConfig) {
		registry = c.Registry
		registry.CheckOutputs(true)
		must(t, AddSecrets(registry, cfg))
	})
	if scopes == nil {
		scopes = []string{"secrets:*"}
	}
	head.keys.Replace([]auth.Grant{{Key: public(head.clientKey), Scopes: scopes}}, nil)
	client, err := head.connect(t, nil)
	must(t, err)
	w.Client, w.id = client, principal.Fingerprint(public(head.clientKey))
	return w
}

func (w *secretsWorld) call(name string, input any) (map[string]any, error) {
	output, err := w.Call(context.Background(), "/secrets/"+name, input)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	return object, json.Unmarshal(output, &object)
}

func all(store *secret.Store) SecretsConfig {
	return SecretsConfig{Store: store, PublicKey: true, Sign: true, Encrypt: true, Decrypt: true, Derive: true, GiveOutPrivateKeys: true}
}

// inputs is a good input for each operation.
func inputs(t testing.TB, store *secret.Store) map[string]any {
	t.Helper()
	sealed, err := store.Encrypt([]byte("plain"), 0)
	must(t, err)
	return map[string]any{
		"publicKey": map[string]any{"path": "m/74'/3'/0'"},
		"sign":      map[string]any{"path": "m/74'/3'/0'", "message": []byte("message")},
		"encrypt":   map[string]any{"plaintext": []byte("plain")},
		"decrypt":   sealed,
		"derive":    map[string]any{"path": "m/74'/3'/0'"},
	}
}

func listed(t testing.TB, w *secretsWorld) (names []string) {
	t.Helper()
	output, err := w.Call(context.Background(), "/services/list", nil)
	must(t, err)
	var list struct{ Operations []struct{ Name string } }
	must(t, json.Unmarshal(output, &list))
	for _, op := range list.Operations {
		if name, ok := strings.CutPrefix(op.Name, "/secrets/"); ok {
			names = append(names, name)
		}
	}
	return names
}

// switchOn sets one operation's switches.
func switchOn(cfg *SecretsConfig, name string) {
	switch name {
	case "publicKey":
		cfg.PublicKey = true
	case "sign":
		cfg.Sign = true
	case "encrypt":
		cfg.Encrypt = true
	case "decrypt":
		cfg.Decrypt = true
	case "derive":
		cfg.Derive, cfg.GiveOutPrivateKeys = true, true
	}
}

func TestSecretsAreOffByDefault(t *testing.T) {
	w := startSecrets(t, SecretsConfig{Store: openStore(t, secret.Options{})})
	for name, input := range inputs(t, w.store) {
		_, err := w.call(name, input)
		wantCode(t, err, call.NotFound)
	}
	for _, name := range []string{"unlock", "create", "lock"} {
		_, err := w.call(name, nil)
		wantCode(t, err, call.NotFound)
	}
	if names := listed(t, w); names != nil {
		t.Errorf("listed: %v", names)
	}
}

func TestSecretsHaveASwitchEach(t *testing.T) {
	for name := range inputs(t, openStore(t, secret.Options{})) {
		t.Run(name, func(t *testing.T) {
			cfg := SecretsConfig{Store: openStore(t, secret.Options{})}
			switchOn(&cfg, name)
			w := startSecrets(t, cfg)
			if names := listed(t, w); !slices.Equal(names, []string{name}) {
				t.Errorf("listed: %v", names)
			}
			for other, input := range inputs(t, w.store) {
				_, err := w.call(other, input)
				if other == name {
					must(t, err)
				} else {
					wantCode(t, err, call.NotFound)
				}
			}
		})
	}
}

func TestSecretsNeedTheirScope(t *testing.T) {
	store := openStore(t, secret.Options{})
	in := inputs(t, store)
	for name := range in {
		t.Run(name, func(t *testing.T) {
			w := startSecrets(t, all(store), "secrets:"+name, "fs:*", "secrets")
			if names := listed(t, w); !slices.Equal(names, []string{name}) {
				t.Errorf("listed: %v", names)
			}
			for other, input := range in {
				_, err := w.call(other, input)
				if other == name {
					must(t, err)
				} else {
					wantCode(t, err, call.Forbidden)
				}
			}
		})
	}
}

func TestDeriveTakesBothSwitches(t *testing.T) {
	store, sealed := openStore(t, secret.Options{}), openStore(t, secret.Options{NotExportable: true})
	for name, cfg := range map[string]SecretsConfig{
		"first alone":    {Store: store, Derive: true},
		"second alone":   {Store: store, GiveOutPrivateKeys: true},
		"not exportable": {Store: sealed, Derive: true, GiveOutPrivateKeys: true},
	} {
		registry := call.NewRegistry()
		if err := AddSecrets(registry, cfg); err == nil {
			t.Errorf("%s: registered", name)
		}
		for _, spec := range registry.Specs() {
			if spec.Namespace() == "secrets" {
				t.Errorf("%s: %s is offered", name, spec.Name)
			}
		}
	}
}

func TestSecretsAnswer(t *testing.T) {
	w := startSecrets(t, all(openStore(t, secret.Options{})))
	path, err := secret.ParsePath("m/74'/3'/0'")
	must(t, err)
	h, err := w.store.Derive(path, secret.Ed25519)
	must(t, err)
	b64 := base64.StdEncoding.EncodeToString

	got, err := w.call("publicKey", map[string]any{"path": "m/74h/3H/0'"})
	must(t, err)
	if got["publicKey"] != b64(h.PublicKey()) || got["path"] != "m/74'/3'/0'" || got["type"] != "ed25519" {
		t.Errorf("publicKey: %v", got)
	}
	got, err = w.call("sign", map[string]any{"path": "m/74'/3'/0'", "message": []byte("hello")})
	must(t, err)
	signature, err := base64.StdEncoding.DecodeString(got["signature"].(string))
	must(t, err)
	if !ed25519.Verify(h.PublicKey(), []byte("hello"), signature) {
		t.Error("the signature does not verify")
	}
	got, err = w.call("sign", map[string]any{"path": "m/74'/3'/0/1", "type": "secp256k1", "message": bytes.Repeat([]byte{7}, 32)})
	must(t, err)
	if len(got["signature"].(string)) != 88 {
		t.Errorf("secp256k1: %v", got)
	}
	_, err = w.call("sign", map[string]any{"path": "m/74'/3'/0/1", "type": "secp256k1", "message": []byte("no digest")})
	wantCode(t, err, call.InvalidInput)

	got, err = w.call("derive", map[string]any{"path": "m/74'/3'/0'"})
	must(t, err)
	seed, err := base64.StdEncoding.DecodeString(got["privateKey"].(string))
	must(t, err)
	if !bytes.Equal(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), h.PublicKey()) {
		t.Error("derive: not the key")
	}
	got, err = w.call("derive", map[string]any{"path": "m/74'/3'/0'", "type": "aes-256-gcm"})
	must(t, err)
	if got["publicKey"] != nil || got["privateKey"] != b64(seed) {
		t.Error("derive: not the AES key")
	}

	for _, size := range []int{0, 1, MaxSecretInput} {
		plain := bytes.Repeat([]byte{0xff}, size) // all slashes in base64
		for _, version := range []uint32{1, 2, 7} {
			sealed, err := w.call("encrypt", map[string]any{"plaintext": plain, "version": version})
			must(t, err)
			got, err := w.call("decrypt", sealed)
			must(t, err)
			if got["plaintext"] != b64(plain) || sealed["key_version"] != float64(version) {
				t.Errorf("%d bytes, version %d: not what was sealed", size, version)
			}
		}
	}
	sealed, err := w.call("encrypt", json.RawMessage(`{"plaintext":"\/\/8="}`))
	must(t, err)
	got, err = w.call("decrypt", sealed)
	if err != nil || got["plaintext"] != "//8=" {
		t.Errorf("escaped slashes: %v, %v", got, err)
	}
}

func TestSecretsRefuse(t *testing.T) {
	w := startSecrets(t, all(openStore(t, secret.Options{})))
	sealed, err := w.store.Encrypt([]byte("plain"), 0)
	must(t, err)
	tampered := sealed
	tampered.Data = append([]byte{sealed.Data[0] ^ 1}, sealed.Data[1:]...)
	short := sealed
	short.IV = sealed.IV[1:]
	unknown := sealed
	unknown.KeyVersion = 0
	long := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, MaxSecretInput+n)) }
	for _, c := range []struct {
		name  string
		input any
		code  call.Code
	}{
		{"publicKey", map[string]any{"path": "74'/3'/0'"}, "INVALID_PATH"},
		{"publicKey", map[string]any{"path": "m/74'/3'/0"}, "INVALID_PATH"},
		{"publicKey", map[string]any{"path": "m/74'/3'/0'", "type": "aes-256-gcm"}, call.InvalidInput},
		{"publicKey", map[string]any{"path": "m/74'/3'/0'", "more": 1}, call.InvalidInput},
		{"publicKey", map[string]any{"path": "m" + strings.Repeat("/0", 200)}, call.InvalidInput},
		{"publicKey", nil, call.InvalidInput},
		{"sign", map[string]any{"path": "m/74'/3'/0'", "message": long(1)}, call.InvalidInput},
		{"sign", map[string]any{"path": "m/74'/3'/0'", "message": long(3)}, call.InvalidInput},
		{"sign", map[string]any{"path": "m/74'/3'/0'", "message": "not base64!"}, call.InvalidInput},
		{"sign", map[string]any{"path": "m/74'/3'/0'", "message": "YQ"}, call.InvalidInput},
		{"sign", map[string]any{"path": "m/74'/3'/0'", "message": "YR=="}, call.InvalidInput},
		{"sign", map[string]any{"path": "m/74'/3'/0'", "message": "YQ==\n"}, call.InvalidInput},
		{"encrypt", map[string]any{"plaintext": long(1)}, call.InvalidInput},
		{"encrypt", map[string]any{"plaintext": long(3)}, call.InvalidInput},
		{"encrypt", map[string]any{"plaintext": "eA==", "version": 0}, "UNKNOWN_KEY_VERSION"},
		{"encrypt", map[string]any{"plaintext": "eA==", "version": 4294967295}, "UNKNOWN_KEY_VERSION"},
		{"encrypt", map[string]any{"plaintext": "eA==", "version": -1}, call.InvalidInput},
		{"decrypt", tampered, "DECRYPTION_FAILED"},
		{"decrypt", short, "DECRYPTION_FAILED"},
		{"decrypt", unknown, "UNKNOWN_KEY_VERSION"},
		{"decrypt", map[string]any{"key_version": 2}, call.InvalidInput},
		{"derive", map[string]any{"path": "m/74'/3'/0'", "type": "rsa"}, call.InvalidInput},
	} {
		_, err := w.call(c.name, c.input)
		if call.CodeOf(err) != c.code {
			t.Errorf("%s %.80s: %v, want %s", c.name, fmt.Sprint(c.input), err, c.code)
		}
	}
	// A code that is not the protocol's own is declared by its operation.

	output, err := w.Call(context.Background(), "/services/schema", map[string]string{"name": "/secrets/decrypt"})
	must(t, err)
	var spec call.OperationSpec
	must(t, json.Unmarshal(output, &spec))

	for _, code := range []string{"LOCKED", "DECRYPTION_FAILED", "UNKNOWN_KEY_VERSION"} {
		if spec.ErrorSchemas[code] == nil {
			t.Errorf("/secrets/decrypt does not declare %s", code)
		}
	}
}

func TestLockedStoreAnswersLocked(t *testing.T) {
	w := startSecrets(t, all(openStore(t, secret.Options{})))
	in := inputs(t, w.store)
	w.store.Lock()
	for name, input := range in {
		_, err := w.call(name, input)
		wantCode(t, err, "LOCKED")
	}
	must(t, w.store.Unlock([]byte(testPhrase), nil))
	for name, input := range in {
		_, err := w.call(name, input)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.store.Close()
	for name, input := range in {
		_, err := w.call(name, input)
		wantCode(t, err, "LOCKED")
	}
}

// The paths that no caller may use, whatever is allowed and whatever the type.
func TestClosedPaths(t *testing.T) {
	cfg := all(openStore(t, secret.Options{}))
	cfg.Paths = []secret.Path{{}} // everything
	w := startSecrets(t, cfg)
	for _, path := range []string{
		secret.IdentityPath().String(), "m/74h/0H/0'/0'", secret.SSHHostKeyPath().String(),
		"m/74'/1'", "m/74'/1'/0'/5'", "m/74'/2'", "m/74'/2'/0'", "m/74'/2'/0'/0'", "m/74'/2'/0'/9'", "m",
	} {
		for _, kind := range []secret.KeyType{secret.Ed25519, secret.Secp256k1, secret.AES256GCM} {
			input := map[string]any{"path": path, "type": kind}
			_, err := w.call("derive", input)
			wantCode(t, err, call.Forbidden)
			if kind == secret.AES256GCM {
				continue
			}
			_, err = w.call("publicKey", input)
			wantCode(t, err, call.Forbidden)
			input["message"] = bytes.Repeat([]byte{1}, 32)
			_, err = w.call("sign", input)
			wantCode(t, err, call.Forbidden)
		}
	}
	for _, path := range []string{"m/74'/0'/0'/1'", "m/74'/0'/1'/1'", "m/74'/10'", "m/0'"} {
		_, err := w.call("sign", map[string]any{"path": path, "message": []byte("x")})
		must(t, err)
	}
}

func TestCallerPaths(t *testing.T) {
	account, err := secret.ParsePath("m/44'/60'/0'/0")
	must(t, err)
	other, err := secret.ParsePath("m/74'/3'")
	must(t, err)
	for _, c := range []struct {
		allowed []secret.Path
		path    string
		want    bool
	}{
		{[]secret.Path{CallerKeys()}, "m/74'/3'/0'", true},
		{[]secret.Path{CallerKeys()}, "m/74'/3'/0'/1'/2'", true},
		{[]secret.Path{CallerKeys()}, "m/74'/3'/0/1", true},
		{[]secret.Path{CallerKeys()}, "m/74'/3'", false},
		{[]secret.Path{CallerKeys()}, "m/74'/3", false},
		{[]secret.Path{CallerKeys()}, "m/74'/30'", false},
		{[]secret.Path{CallerKeys()}, "m/74'/3/0'", false},
		{[]secret.Path{CallerKeys()}, "m/74/3'/0'", false},
		{[]secret.Path{CallerKeys()}, "m/74'/0'/0'/1'", false},
		{[]secret.Path{account, other}, "m/44'/60'/0'/0/7", true},
		{[]secret.Path{account, other}, "m/74'/3'/0'", true},
		{[]secret.Path{account, other}, "m/44'/60'/0'/1/7", false},
	} {
		path, err := secret.ParsePath(c.path)
		must(t, err)
		if got := mayUse(c.allowed, path); got != c.want {
			t.Errorf("%s below %v: %v", c.path, c.allowed, got)
		}
	}
}

func TestSecretsAreLoggedWithoutValues(t *testing.T) {
	w := startSecrets(t, all(openStore(t, secret.Options{})))
	canary := []byte("canary in the plaintext")
	encoded := base64.StdEncoding.EncodeToString(canary)
	got, err := w.call("derive", map[string]any{"path": "m/74'/3'/5'"})
	must(t, err)
	private := got["privateKey"].(string)
	_, err = w.call("sign", map[string]any{"path": "m/74'/3'/5'", "message": canary})
	must(t, err)
	sealed, err := w.call("encrypt", map[string]any{"plaintext": canary, "version": 3})
	must(t, err)
	_, err = w.call("decrypt", sealed)
	must(t, err)
	_, err = w.call("sign", map[string]any{"path": "m/74'/0'/0'/0'", "message": canary})
	wantCode(t, err, call.Forbidden)
	log := w.log.String()
	for _, want := range []string{
		"operation=/secrets/derive identity=" + w.id + " path=m/74'/3'/5' type=ed25519",
		"operation=/secrets/sign identity=" + w.id + " path=m/74'/3'/5' type=ed25519",
		"operation=/secrets/encrypt identity=" + w.id + " version=3",
		"operation=/secrets/decrypt identity=" + w.id + " version=3",
		"operation=/secrets/sign identity=" + w.id + " path=m/74'/0'/0'/0' type=ed25519 code=FORBIDDEN",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, value := range []string{string(canary), encoded, private, sealed["data"].(string)} {
		if strings.Contains(log, value) {
			t.Errorf("the log has a value:\n%s", log)
		}
	}
}
