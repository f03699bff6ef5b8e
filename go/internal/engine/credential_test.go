package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestCredentialJobs(t *testing.T) {
	p := open(t)
	dir := t.TempDir()
	p.do("new", 1, `{}`, nil)
	if _, code := p.job(1, "unlock", 1, "", []byte(phrase), nil); code != "" {
		t.Fatal(code)
	}
	arguments := func(format string, args ...any) string {
		return fmt.Sprintf(`{"directory":%q,"service":"mail",`, dir) + fmt.Sprintf(format, args...) + "}"
	}
	const secrets = `"type":"custom","secrets":[{"name":"a","length":%d},{"name":"b","length":%d}]`
	for req, lengths := range [][2]int{{-1, 3}, {3, -1}, {7, 0}, {6, 1}, {1 << 62, 1 << 62}} {
		if _, code := p.job(10+req, "credentialAdd", 1, arguments(secrets, lengths[0], lengths[1]), []byte("canary"), nil); code != "INVALID_INPUT" {
			t.Errorf("%v: %q", lengths, code)
		}
	}
	if _, code := p.job(2, "credentialAdd", 1, arguments(secrets, 4, 2), []byte("canary"), nil); code != "" {
		t.Fatal(code)
	}
	for req, c := range []struct{ name, arguments, code string }{
		{"credentialAdd", arguments(secrets, 4, 2), "CONFLICT"}, {"credentialGet", strings.Replace(arguments(`"name":""`), "mail", "other", 1), "NOT_FOUND"},
		{"credentialGet", strings.Replace(arguments(`"name":""`), "mail", "../mail", 1), "INVALID_INPUT"}, {"credentialGet", `[`, "INVALID_INPUT"},
	} {
		if _, code := p.job(20+req, c.name, 1, c.arguments, []byte("canary"), nil); code != c.code {
			t.Errorf("%s: %q, want %s", c.name, code, c.code)
		}
	}
	text, code := p.job(3, "credentialGet", 1, arguments(`"name":""`), nil, nil)
	var got struct {
		Type    string
		Secrets []string
		Sealed  json.RawMessage
	}
	must(t, json.Unmarshal(text, &got))
	if code != "" || got.Type != "custom" || strings.Join(got.Secrets, "") != "ab" || bytes.Contains(text, []byte("cana")) {
		t.Errorf("%s", text)
	}
	if secret := p.do("credentialSecret", 1, arguments(`"name":"b"`), got.Sealed); string(secret) != "ry" {
		t.Errorf("%q", secret)
	}
	list, code := p.job(4, "credentialList", 1, arguments(`"name":""`), nil, nil)
	if code != "" || !bytes.Contains(list, []byte(`"service":"mail"`)) {
		t.Errorf("%s %q", list, code)
	}
	p.do("lock", 1, `{}`, nil)
	if _, code := p.job(5, "credentialGet", 1, arguments(`"name":""`), nil, nil); code != "LOCKED" {
		t.Errorf("locked: %q", code)
	}
	if _, code := p.job(6, "credentialRemove", 1, arguments(`"name":""`), nil, nil); code != "" {
		t.Errorf("remove: %q", code)
	}
}
