package secret

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestNothingPrintsASecret prints every exported type in every way, and looks for
// the seed and a private key in each encoding that could come out.
func TestNothingPrintsASecret(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	h := derive(t, s, IdentityPath(), Ed25519)
	signer, err := s.Signer(IdentityPath())
	must(t, err)
	private, err := h.ExportPrivateKey()
	must(t, err)
	data, err := s.Encrypt([]byte("a plaintext that is long enough"), 0)
	must(t, err)
	var forms []string
	for _, secret := range [][]byte{seedOf(t, s)[:16], private[:16], []byte("a plaintext that is"), []byte(testMnemonic)[:20]} {
		forms = append(forms, string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), strings.Trim(fmt.Sprint(secret), "[]"), strings.Trim(fmt.Sprintf("%#v", secret), "[]byte{}"))
	}
	look := func(how, text string) {
		t.Helper()
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s shows a secret: %s", how, text)
			}
		}
	}
	for _, value := range []any{s, h, *h, signer, &h, []any{s, h, signer}, map[string]any{"s": s}, struct {
		S *Store
		H Handle
		x any
	}{s, *h, signer}, s.Status(), data, Event{}, errLocked, Options{}, h.Path(), h.Type()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%08b"} {
			look(fmt.Sprintf("%s of %T", verb, value), fmt.Sprintf(verb, value))
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			encoded = nil
		}
		look(fmt.Sprintf("JSON of %T", value), string(encoded))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		look(fmt.Sprintf("a log of %T", value), log.String())
	}
	for want, value := range map[string]any{
		"secret.Store(unlocked, memory locked)":                                                   s,
		"secret.Handle(ed25519 m/74'/0'/0'/0')":                                                   h,
		"secret.Signer(m/74'/0'/0'/0')":                                                           signer,
		"DECRYPTION_FAILED: the data cannot be opened: the key is wrong, or the data was changed": errDecryption,
	} {
		if got := fmt.Sprintf("%+v", value); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	encoded, err := json.Marshal(map[string]any{"store": s, "handle": h})
	want := `{"handle":{"path":"m/74'/0'/0'/0'","type":"ed25519","publicKey":"` // and the key
	if err != nil || !strings.HasPrefix(strings.ReplaceAll(string(encoded), `\u0027`, "'"), want) || !strings.Contains(string(encoded), `"store":{"state":"unlocked"`) {
		t.Errorf("%s, %v", encoded, err)
	}
}
