package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/secret"
)

const credentialCanary = "canary-cr3d3nt14l-0123456789"

// TestHandlersUseCredentials has a handler sign in elsewhere, and a caller from outside
// try everything to get the credential itself.
func TestHandlersUseCredentials(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	store := openStore(t, secret.Options{})
	record, err := audit.Open(filepath.Join(dir, "audit"))
	must(t, err)
	defer record.Close()
	log := &logBuffer{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	credentials := credential.NewDirectory(credential.Config{
		Path: filepath.Join(dir, "credentials"), Sealer: ServiceSealer(NewSecretService(store)), OnEvent: AuditCredentials(record, logger),
	})
	_, err = credentials.Add(ctx, "github", &credential.Basic{Username: "alice", Password: credential.NewSecret([]byte(credentialCanary))}, false)
	must(t, err)
	sealed, err := os.ReadFile(filepath.Join(dir, "credentials", "github.json"))
	must(t, err)

	var registry *call.Registry
	head := start(t, "tcp://127.0.0.1:0", func(c *HeadConfig) {
		registry = c.Registry
		registry.SetCredentials(HandlerCredentials(credentials))
		must(t, AddSecrets(registry, SecretsConfig{Store: store, PublicKey: true, Sign: true, Encrypt: true, Decrypt: true, Derive: true, GiveOutPrivateKeys: true, Logger: logger}))
		must(t, registry.Handle(call.OperationSpec{Name: "/issues/count"}, func(ctx context.Context, req *call.Request) (any, error) {
			c, err := req.Credentials(ctx, "github")
			if err != nil {
				return nil, err
			}
			value, err := c.(credential.Credential).Open(ctx)
			if err != nil {
				return nil, err
			}
			defer value.Wipe()
			basic := value.(*credential.Basic)
			logger.Info("signing in", "credential", c, "value", basic, "secret", basic.Password)
			// A handler that gives away all it has by mistake gives away no secret.
			return map[string]any{"signedIn": string(basic.Password.Bytes()) == credentialCanary, "credential": c, "value": value}, nil
		}, call.WithCredentials("github", "missing")))
		must(t, registry.Handle(call.OperationSpec{Name: "/issues/fail"}, func(ctx context.Context, req *call.Request) (any, error) {
			_, err := req.Credentials(ctx, "missing")
			return nil, err
		}, call.WithCredentials("missing")))
	})
	head.keys.Replace([]auth.Grant{{Key: public(head.clientKey), Scopes: []string{"*", "admin", "secrets:*"}}}, nil)
	client, err := head.connect(t, nil)
	must(t, err)
	id := principal.Fingerprint(public(head.clientKey))

	output, err := client.Call(ctx, "/issues/count", nil)
	must(t, err)
	var told struct{ SignedIn bool }
	must(t, json.Unmarshal(output, &told))
	if !told.SignedIn || strings.Contains(string(output), "canary") || !strings.Contains(string(output), `"secrets":["password"]`) {
		t.Errorf("%s", output)
	}
	if _, err := client.Call(ctx, "/issues/fail", nil); call.CodeOf(err) != call.Internal || strings.Contains(err.Error(), "missing") || strings.Contains(err.Error(), dir) {
		t.Errorf("a handler's own trouble is told as %v", err)
	}
	store.Lock()
	if _, err := client.Call(ctx, "/issues/count", nil); call.CodeOf(err) != call.Internal {
		t.Errorf("locked: %v", err)
	}
	must(t, store.Unlock([]byte(testPhrase), nil))

	// Who has every scope, and the sealed file as well, does not get it opened.
	list, err := client.Call(ctx, "/services/list", nil)
	must(t, err)
	if strings.Contains(string(list), "/credential") || !strings.Contains(string(list), "/secrets/decrypt") {
		t.Errorf("operations %s", list)
	}
	if output, err := client.Call(ctx, "/secrets/decrypt", json.RawMessage(sealed)); call.CodeOf(err) != call.Forbidden {
		t.Errorf("/secrets/decrypt: %s %v", output, err)
	}
	if _, err := client.Call(ctx, "/secrets/encrypt", map[string]any{"plaintext": []byte(`{"credential":1,"service":"github","type":"bearer"}`)}); call.CodeOf(err) != call.Forbidden {
		t.Errorf("/secrets/encrypt of a credential: %v", err)
	}
	for _, operation := range []string{"/credentials/get", "/credential/list", "/secrets/credentials", "/github/get"} {
		if _, err := client.Call(ctx, operation, map[string]any{"service": "github"}); call.CodeOf(err) != call.NotFound {
			t.Errorf("%s: %v", operation, err)
		}
	}
	sealing, err := secret.SealingPath(secret.CurrentKeyVersion)
	must(t, err)
	if _, err := client.Call(ctx, "/secrets/derive", map[string]any{"path": sealing, "type": "aes-256-gcm"}); call.CodeOf(err) != call.Forbidden {
		t.Errorf("derive of the key that it is sealed with: %v", err)
	}

	trail, err := os.ReadFile(filepath.Join(dir, "audit"))
	must(t, err)
	for _, want := range []string{
		`"event":"credential","action":"add","type":"basic","service":"github"}`,
		fmt.Sprintf(`"event":"credential","identity":%q,"operation":"/issues/count","action":"get","type":"basic","service":"github"}`, id),
		fmt.Sprintf(`"event":"credential","identity":%q,"operation":"/issues/count","action":"open","type":"basic","service":"github"}`, id),
		fmt.Sprintf(`"event":"credential","identity":%q,"operation":"/issues/count","code":"LOCKED","action":"get","service":"github"}`, id),
		fmt.Sprintf(`"event":"credential","identity":%q,"operation":"/issues/fail","code":"NOT_FOUND","action":"get","service":"missing"}`, id),
	} {
		if !strings.Contains(string(trail), want) {
			t.Errorf("the record lacks %s:\n%s", want, trail)
		}
	}
	if text := log.String(); strings.Contains(text+string(trail), "canary") || !strings.Contains(text, "credential.service=github") || !strings.Contains(text, "operation=/issues/count") {
		t.Errorf("the log is\n%s", text)
	}
}

// The codes of a store survive the way from its process.
func TestServiceSealer(t *testing.T) {
	ctx := context.Background()
	store := openStore(t, secret.Options{})
	d := credential.NewDirectory(credential.Config{Path: t.TempDir(), Sealer: ServiceSealer(NewSecretService(store))})
	_, err := d.Add(ctx, "x", &credential.Bearer{Token: credential.NewSecret([]byte("t"))}, false)
	must(t, err)
	store.Lock()
	if _, err := d.Get(ctx, "x"); credential.CodeOf(err) != credential.Locked {
		t.Errorf("locked: %v", err)
	}
	must(t, store.Unlock([]byte("letter advice cage absurd amount doctor acoustic avoid letter advice cage above"), nil))
	if _, err := d.Get(ctx, "x"); credential.CodeOf(err) != credential.DecryptionFailed || !errors.Is(err, &credential.Error{Code: credential.DecryptionFailed}) {
		t.Errorf("another phrase: %v", err)
	}
}
