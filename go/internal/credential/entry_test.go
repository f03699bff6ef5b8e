package credential

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode checks an error's code, "" for none.
func wantCode(t testing.TB, err error, code Code) {
	t.Helper()
	if (err == nil) != (code == "") || CodeOf(err) != code {
		t.Fatalf("error %v, want code %q", err, code)
	}
}

func planted(s string) Secret { return NewSecret([]byte(s)) }

// One of each type, with every part.
func samples() map[string]Value {
	return map[string]Value{
		"apikey": &APIKey{Key: planted("key-0123"), Header: "X-Token"},
		"basic":  &Basic{Username: "alice", Password: planted("pass: \"word\"\\ \n\t\x01 ü")},
		"bearer": &Bearer{Token: planted("token-0123")},
		"s3":     &S3{AccessKeyID: "AKIA", SecretAccessKey: planted("s3-secret"), SessionToken: planted("s3-session"), Region: "eu-1", Endpoint: "https://s3.example.com:9000/x"},
		"oidc":   &OIDC{Issuer: "https://id.example.com/realm", ClientID: "app", ClientSecret: planted("oidc-secret"), RefreshToken: planted("oidc-refresh"), Scope: "openid email"},
		"custom": &Custom{Fields: map[string]Secret{"pin": planted("0042"), "pem": planted("-----BEGIN X-----\nAAAA\n"), "A.b_c-1": planted("ü")}},
	}
}

func secretsOf(v Value) (all []string) {
	for _, p := range v.parts() {
		if p.secret != nil {
			all = append(all, string(p.secret.Bytes()))
		}
	}
	return all
}

var added = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// The canonical form is what files of today must open to tomorrow.
func TestCanonicalForm(t *testing.T) {
	want := map[string]string{
		"apikey": `"type":"apiKey","added":"2026-01-02T03:04:05Z","fields":{"header":"X-Token","key":"key-0123"}}`,
		"basic":  `"type":"basic","added":"2026-01-02T03:04:05Z","fields":{"password":"pass: \"word\"\\ \n\t\u0001 ü","username":"alice"}}`,
		"bearer": `"type":"bearer","added":"2026-01-02T03:04:05Z","fields":{"token":"token-0123"}}`,
		"s3":     `"type":"s3","added":"2026-01-02T03:04:05Z","fields":{"accessKeyId":"AKIA","endpoint":"https://s3.example.com:9000/x","region":"eu-1","secretAccessKey":"s3-secret","sessionToken":"s3-session"}}`,
		"oidc":   `"type":"oidc","added":"2026-01-02T03:04:05Z","fields":{"clientId":"app","clientSecret":"oidc-secret","issuer":"https://id.example.com/realm","refreshToken":"oidc-refresh","scope":"openid email"}}`,
		"custom": `"type":"custom","added":"2026-01-02T03:04:05Z","fields":{"A.b_c-1":"ü","pem":"-----BEGIN X-----\nAAAA\n","pin":"0042"}}`,
	}
	for name, value := range samples() {
		text, err := entry{name, added, value}.encode()
		must(t, err)
		if full := `{"credential":1,"service":"` + name + `",` + want[name]; string(text) != full {
			t.Errorf("%s\nis   %s\nwant %s", name, text, full)
		}
		if !IsEntry(text) {
			t.Errorf("%s is not told to be an entry", name)
		}
		e, err := decode(text)
		must(t, err)
		if e.service != name || !e.added.Equal(added) || e.value.Type() != value.Type() || !slices.Equal(secretsOf(e.value), secretsOf(value)) {
			t.Errorf("%s reads back as %+v", name, e)
		}
		info := infoOf(e)
		if len(info.Fields)+len(info.Secrets) != len(value.parts()) {
			t.Errorf("%s has %+v", name, info)
		}
	}
}

// Any other text is refused, and the refusal says nothing of it.
func TestNotCanonical(t *testing.T) {
	good := `{"credential":1,"service":"x","type":"basic","added":"2026-01-02T03:04:05Z","fields":{"password":"canary","username":"a"}}`
	if _, err := decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`1,`, `2,`}, {`{"cred`, ` {"cred`}, {`}}`, `}} `}, {`}}`, `}}}`}, {`}}`, `}`}, {`"x"`, `"X"`}, {`"x"`, `"../x"`}, {`"x"`, `""`}, {`"basic"`, `"other"`}, {`"basic"`, `"bearer"`},
		{`05Z`, `05.5Z`}, {`05Z`, `05+00:00`}, {`2026-01-02T`, `2026-13-02T`}, {`2026`, `+2026`},
		{`"canary"`, `""`}, {`"canary"`, `"can\u0061ry"`}, {`"canary"`, `"can\/ary"`}, {`"canary"`, `"can\u000Aary"`}, {`"canary"`, `"can\u000aary"`}, {`"canary"`, `"can` + "\n" + `ary"`}, {`"canary"`, `"canary\"`}, {`"canary"`, `"canary\u00"`},
		{`"canary"`, `"can` + "\xff" + `ary"`}, {`"canary"`, `null`}, {`"canary"`, `"canary`},
		{`"username":"a"`, `"username":"a:b"`}, {`"username":"a"`, `"username":""`}, {`,"username":"a"`, ``}, {`"username":"a"`, `"username":"a","username":"a"`}, {`"username":"a"`, `"username":"a","z":"b"`}, {`"username":"a"`, `"other":"a"`},
		{`"password":"canary","username":"a"`, `"username":"a","password":"canary"`}, {`"password":"canary",`, `"password":"canary" ,`}, {`"a"`, `"` + strings.Repeat("a", MaxField+1) + `"`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%q changes nothing", change)
		}
		if _, err := decode([]byte(text)); CodeOf(err) != InvalidInput || strings.Contains(err.Error(), "canary") {
			t.Errorf("%.200s: %v", text, err)
		}
	}
	for i := range len(good) {
		if _, err := decode([]byte(good[:i])); err == nil {
			t.Errorf("%s is taken", good[:i])
		}
	}
}

func TestBuild(t *testing.T) {
	many := map[string][]byte{}
	for i := range MaxFields + 1 {
		many[fmt.Sprintf("f%d", i)] = []byte("x")
	}
	type texts = map[string]string
	type secrets = map[string][]byte
	b := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		name    string
		kind    Type
		texts   texts
		secrets secrets
		wrong   string
	}{
		{"api key", TypeAPIKey, nil, secrets{"key": b("k")}, ""},
		{"api key with a header", TypeAPIKey, texts{"header": "Private-Token"}, secrets{"key": b("k")}, ""},
		{"header that is none", TypeAPIKey, texts{"header": "two words"}, secrets{"key": b("k")}, "the part header is not the name"},
		{"no key", TypeAPIKey, nil, nil, "needs key"},
		{"empty key", TypeAPIKey, nil, secrets{"key": {}}, "needs key"},
		{"basic", TypeBasic, texts{"username": "a"}, secrets{"password": b("p")}, ""},
		{"username with a colon", TypeBasic, texts{"username": "a:b"}, secrets{"password": b("p")}, "holds a colon"},
		{"username with a line end", TypeBasic, texts{"username": "a\nb"}, secrets{"password": b("p")}, "control character"},
		{"password as a text", TypeBasic, texts{"username": "a", "password": "p"}, nil, "is a secret"},
		{"username as a secret", TypeBasic, nil, secrets{"username": b("a"), "password": b("p")}, "is no secret"},
		{"unknown text", TypeBasic, texts{"username": "a", "user": "b"}, secrets{"password": b("p")}, `no part "user"`},
		{"unknown secret", TypeBearer, nil, secrets{"token": b("t"), "secret": b("s")}, `no secret "secret" (it has token)`},
		{"bearer with a text", TypeBearer, texts{"header": "x"}, secrets{"token": b("t")}, "(it has none)"},
		{"s3", TypeS3, texts{"accessKeyId": "a"}, secrets{"secretAccessKey": b("s")}, ""},
		{"s3 without its name", TypeS3, nil, secrets{"secretAccessKey": b("s")}, "needs accessKeyId"},
		{"endpoint", TypeS3, texts{"accessKeyId": "a", "endpoint": "s3.example.com"}, secrets{"secretAccessKey": b("s")}, "is not an http or https URL"},
		{"endpoint with a password", TypeS3, texts{"accessKeyId": "a", "endpoint": "https://u:p@example.com"}, secrets{"secretAccessKey": b("s")}, "parts of their own"},
		{"oidc", TypeOIDC, texts{"issuer": "https://id.example.com", "clientId": "c"}, secrets{"refreshToken": b("r")}, ""},
		{"oidc of this machine", TypeOIDC, texts{"issuer": "http://localhost:8080/", "clientId": "c"}, secrets{"clientSecret": b("r")}, ""},
		{"oidc in the clear", TypeOIDC, texts{"issuer": "http://id.example.com", "clientId": "c"}, secrets{"refreshToken": b("r")}, "https URL"},
		{"oidc with a query", TypeOIDC, texts{"issuer": "https://id.example.com?x", "clientId": "c"}, secrets{"refreshToken": b("r")}, "without query"},
		{"oidc without a secret", TypeOIDC, texts{"issuer": "https://id.example.com", "clientId": "c"}, nil, "needs clientSecret or refreshToken"},
		{"custom", TypeCustom, nil, secrets{"anything.at-all_1": b("x")}, ""},
		{"custom of nothing", TypeCustom, nil, nil, "from 1 to 32 parts, not 0"},
		{"custom of too much", TypeCustom, nil, many, "not 33"},
		{"custom with a bad name", TypeCustom, nil, secrets{"1x": b("x")}, "name of a part"},
		{"custom with an empty part", TypeCustom, nil, secrets{"x": {}}, "needs x"},
		{"custom with a text", TypeCustom, texts{"x": "y"}, secrets{"z": b("x")}, "has no part"},
		{"too long", TypeBearer, nil, secrets{"token": bytes.Repeat(b("t"), MaxField+1)}, "want at most 16384"},
		{"just not too long", TypeBearer, nil, secrets{"token": bytes.Repeat(b("t"), MaxField)}, ""},
		{"binary", TypeBearer, nil, secrets{"token": b("canary\xff")}, "is not UTF-8"},
		{"no type", "password", nil, secrets{"token": b("t")}, "there is no type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := slices.Collect(maps.Values(c.secrets))
			value, err := Build(c.kind, c.texts, c.secrets)
			if c.wrong == "" {
				must(t, err)
				if value.Type() != c.kind {
					t.Errorf("a %s", value.Type())
				}
				value.Wipe()
			} else {
				wantCode(t, err, InvalidInput)
				if !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "canary") {
					t.Errorf("%v, want %q", err, c.wrong)
				}
			}
			for _, b := range given {
				if !bytes.Equal(b, make([]byte, len(b))) {
					t.Errorf("%q was not wiped", b)
				}
			}
		})
	}
	for _, kind := range Types() {
		required, optional := SecretNames(kind)
		if kind != TypeCustom && len(required)+len(optional) == 0 {
			t.Errorf("%s has no secrets", kind)
		}
	}
	if required, optional := TextNames(TypeS3); !slices.Equal(required, []string{"accessKeyId"}) || !slices.Equal(optional, []string{"endpoint", "region"}) {
		t.Errorf("s3 has the texts %v and %v", required, optional)
	}
}

func TestEntryLimit(t *testing.T) {
	custom := &Custom{Fields: map[string]Secret{}}
	for i := range 5 {
		custom.Fields[fmt.Sprintf("f%d", i)] = planted(strings.Repeat("x", MaxField))
	}
	must(t, validate(custom))
	_, err := entry{"x", added, custom}.encode()
	wantCode(t, err, InvalidInput)
}

func TestServiceNames(t *testing.T) {
	for _, name := range []string{"github", "api.example.com", "0", "a-b_c.d", "console", "com10", strings.Repeat("a", 64)} {
		must(t, CheckService(name))
	}
	for _, name := range []string{"", ".", "..", ".hidden", "-x", "_x", "x.", "X", "a/b", `a\b`, "a b", "ü", "a\x00b", "../x", "nul", "con.txt", "com1", "lpt9.x", strings.Repeat("a", 65)} {
		wantCode(t, CheckService(name), InvalidInput)
	}
}

// FuzzEntry reads what a file was opened to: whatever is taken is written again as the
// same bytes.
func FuzzEntry(f *testing.F) {
	for name, value := range samples() {
		text, err := entry{name, added, value}.encode()
		must(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"credential":1,"service":"x","type":"custom","added":"2026-01-02T03:04:05Z","fields":{"a":"\u001f\\\"","b":"c"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := decode(text)
		if err != nil {
			return
		}
		again, err := e.encode()
		must(t, err)
		if !bytes.Equal(again, text) {
			t.Fatalf("%q is written as %q", text, again)
		}
		must(t, validate(e.value))
	})
}

// FuzzFile reads what lies on the disk.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"key_version":2,"salt":"","iv":"AAAAAAAAAAAAAAAA","data":"AAAAAAAAAAAAAAAAAAAAAA=="}` + "\n"))
	f.Add([]byte(`{"key_version":2,"key_version":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		sealed, err := parseFile(text)
		if err != nil {
			return
		}
		again, err := sealed.MarshalJSON()
		must(t, err)
		if twice, err := parseFile(again); err != nil || !bytes.Equal(twice.Data, sealed.Data) || twice.KeyVersion != sealed.KeyVersion {
			t.Fatalf("%q is written as %q: %v", text, again, err)
		}
	})
}
