package credential

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "canary-5up3r-s3cr3t-0123456789"

// TestNothingIsShown has everything that prints or marshals show credentials, values
// and secrets, on their own and inside of others.
func TestNothingIsShown(t *testing.T) {
	basic := &Basic{Username: "alice", Password: planted(canary)}
	custom := &Custom{Fields: map[string]Secret{"pin": planted(canary)}}
	c, err := New("github", added, &Basic{Username: "alice", Password: planted(canary)})
	must(t, err)
	hidden := struct {
		secret     Secret
		value      Value
		credential Credential
		at         *Credential
		entry      entry
	}{planted(canary), basic, c, &c, entry{"github", added, basic}}
	for name, value := range map[string]any{
		"secret": planted(canary), "pointer to a secret": &basic.Password, "basic": basic, "basic itself": *basic, "custom": custom, "custom itself": *custom, "fields": custom.Fields,
		"credential": c, "pointer": &c, "hidden": hidden, "hidden behind a pointer": &hidden, "slice": []any{c, basic, custom, planted(canary)}, "map": map[string]any{"a": c, "b": *basic},
		"info": c.Info(), "event": Event{Service: "github"},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%p", "%T", "%t", "%w", "%10.3v"} {
			fmt.Fprintf(&out, verb, value)
		}
		fmt.Fprintln(&out, value)
		if text, err := json.Marshal(value); err == nil {
			out.Write(text)
		}
		if text, err := xml.Marshal(value); err == nil {
			out.Write(text)
		}
		_ = gob.NewEncoder(&out).Encode(value)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			logger := slog.New(handler)
			logger.Info("with", "value", value)
			logger.With("value", value).Info("before")
			logger.Error("wrapped", "error", fmt.Errorf("of %v", value))
		}
		shown := out.String()
		for form, text := range map[string]string{"as it is": canary, "in hexadecimal": fmt.Sprintf("%x", canary), "in hexadecimal, apart": fmt.Sprintf("% X", canary), "as numbers": "99 97 110 97 114 121", "as bytes": "0x63, 0x61, 0x6e", "in base64": "Y2FuYXJ5"} {
			if strings.Contains(shown, text) {
				t.Errorf("%s shows its secret %s:\n%s", name, form, shown)
			}
		}
	}
	if text, err := json.Marshal(basic); err != nil || string(text) != `{"Username":"alice","Password":"[redacted]"}` {
		t.Errorf("%s %v", text, err)
	}
	if text, err := json.Marshal(c); err != nil || string(text) != `{"service":"github","type":"basic","added":"2026-01-02T03:04:05Z","fields":{"username":"alice"},"secrets":["password"]}` {
		t.Errorf("%s %v", text, err)
	}
	if text := fmt.Sprintf("%v|%v|%s", c, Secret{}, planted("x")); text != "credential.Credential(github basic)||[redacted]" {
		t.Error(text)
	}
}

// A credential that is opened gives copies, which are the caller's.
func TestOpenGivesCopies(t *testing.T) {
	ctx := context.Background()
	for name, value := range samples() {
		c, err := New(name, added, value)
		must(t, err)
		first, err := c.Open(ctx)
		must(t, err)
		want := secretsOf(first)
		first.Wipe()
		second, err := c.Open(ctx)
		must(t, err)
		if got := secretsOf(second); strings.Join(got, "|") != strings.Join(want, "|") || strings.Join(want, "") == "" {
			t.Errorf("%s: %q after %q", name, got, want)
		}
		for _, s := range secretsOf(first) {
			if s != "" {
				t.Errorf("%s: wiping leaves %q", name, s)
			}
		}
		text, err := c.Reveal(ctx)
		must(t, err)
		if e, err := decode(text); err != nil || strings.Join(secretsOf(e.value), "|") != strings.Join(want, "|") {
			t.Errorf("%s is revealed as %s", name, text)
		}
		for _, secret := range c.Info().Secrets {
			b, err := c.Secret(ctx, secret)
			must(t, err)
			clear(b)
		}
		if got := secretsOf(second); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: wiping a secret changed %q", name, want)
		}
		_, err = c.Secret(ctx, "nothing")
		wantCode(t, err, NotFound)
	}
	var nothing Credential
	_, err := nothing.Open(ctx)
	wantCode(t, err, NotFound)
	_, err = New("../x", added, &Bearer{Token: planted("t")})
	wantCode(t, err, InvalidInput)
	_, err = New("x", added, &Bearer{})
	wantCode(t, err, InvalidInput)
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		value       Value
		name, field string
		code        Code
	}{
		{&APIKey{Key: planted("k")}, "X-API-Key", "k", ""},
		{&APIKey{Key: planted("k"), Header: "Private-Token"}, "Private-Token", "k", ""},
		{&Bearer{Token: planted("t")}, "Authorization", "Bearer t", ""},
		{&Basic{Username: "Aladdin", Password: planted("open sesame")}, "Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ""}, // RFC 7617, section 2
		{&Custom{Fields: map[string]Secret{"x": planted("y")}}, "", "", InvalidInput},
	} {
		credential, err := New("x", added, c.value)
		must(t, err)
		name, field, err := credential.Header(context.Background())
		wantCode(t, err, c.code)
		if name != c.name || string(field) != c.field {
			t.Errorf("%s: %s", name, field)
		}
	}
}
