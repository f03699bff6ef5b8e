package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files and the generated documents again")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if string(want) != string(got) {
		t.Errorf("%s is not what it was: got\n%s\nwant\n%s", path, got, want)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

func TestFull(t *testing.T) {
	c, err := Parse("etc/alknet.toml", read(t, "testdata/full.toml"))
	must(t, err)
	want := &Config{
		Node:      Node{Name: "edge", Key: "etc/node_key", Drain: Duration(7 * time.Second)},
		Listeners: []Listener{{Address: ":4433", Interfaces: []string{"frames"}}, {Address: "unix:///run/alknet.sock"}},
		TLS:       TLS{Certificate: "/etc/alknet/cert.pem", Key: "/etc/alknet/key.pem"},
		Auth: Auth{
			AuthorizedKeys: "etc/authorized_keys", DefaultScopes: []string{"echo"}, ReplayWindow: true,
			Keys: []Key{
				{PublicKey: "ssh-ed25519 AAAA dev1", Scopes: []string{"node:register:dev1", "fs:*"}, Resources: map[string][]string{"project": {"p1", "p 2"}}},
				{PublicKey: "ssh-ed25519 AAAB ca", CertAuthority: true, Principals: []string{"ops"}, From: []string{"192.0.2.0/24", "!192.0.2.7"}, Expires: time.Date(2030, 12, 31, 12, 0, 0, 0, time.UTC)},
			},
			APIKeys: []APIKey{{Prefix: "alk_abcdefgh", SHA256: strings.Repeat("0a", 32), Description: "build", Scopes: []string{"ci"}}},
		},
		Access: []Access{{Path: "/*/bash/*", Scopes: []string{"shell"}}},
		Forwarding: Forwarding{Default: "deny", Rules: []ForwardingRule{
			{Target: "*.internal.example.com:5432", Action: "allow", Principals: []string{"db:read"}}, {Target: "[2001:db8::1]:80-90", Action: "deny"},
		}},
		Limits: Default().Limits, Log: Log{Level: "debug", Format: "json"}, Audit: Audit{File: "/var/log/alknet/audit.jsonl"},
		Secrets: Secrets{
			Service: "unix:///run/alknet/secrets.sock", Offer: []string{"publicKey", "sign"}, Paths: []string{"m/74'/3'/7'"}, Credentials: "etc/credentials",
		},
		Traces: Traces{Endpoint: "http://127.0.0.1:4318/v1/traces", Headers: map[string]string{"authorization": "Bearer s3cret"}, Ratio: 0.5},
	}
	want.Limits.ConnectionsPerAddress, want.Limits.OpenTimeout = 8, Duration(1500*time.Millisecond)
	origins := c.origins
	c.origins = nil
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	c.origins = origins
	for key, line := range map[string]int{"node.drain": 5, "listeners[1].address": 12, "auth.keys[1].from[1]": 30, "auth.keys[0].resources.project[1]": 26, "limits.connections_per_address": 56, "limits": 55, "log.level": 60} {
		if got := c.Origin(key); got.Line != line || got.File != "etc/alknet.toml" {
			t.Errorf("%s is at %v, want line %d", key, got, line)
		}
	}
	golden(t, "testdata/full.dump.toml", c.Dump(false))
	golden(t, "testdata/full.set.toml", c.Dump(true))
	if strings.Contains(string(c.Dump(false)), "s3cret") || strings.Contains(string(c.Dump(false)), "0a0a") {
		t.Error("the dump holds a secret")
	}
}

// A dump is a configuration file: it reads back as what it tells of.
func TestDumpReadsBack(t *testing.T) {
	c, err := Parse("/etc/alknet/alknet.toml", read(t, "testdata/full.toml"))
	must(t, err)
	dump := strings.ReplaceAll(string(c.Dump(false)), `sha256 = "<redacted>"`, `sha256 = "`+strings.Repeat("0a", 32)+`"`)
	back, err := Parse("/etc/alknet/alknet.toml", []byte(dump))
	must(t, err)
	back.Traces.Headers = c.Traces.Headers
	if all, _ := Changes(c, back); len(all) > 0 {
		t.Errorf("changed: %v\n%s", all, dump)
	}
}

// Each file of testdata/mistakes is a configuration with mistakes, beside a text with
// what is said of them.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.toml")
	must(t, err)
	if len(files) < 20 {
		t.Fatalf("%d files", len(files))
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".toml"), func(t *testing.T) {
			_, err := Parse("alknet.toml", read(t, path))
			all, ok := AsErrors(err)
			if !ok || len(all) == 0 {
				t.Fatalf("error %v, want Errors", err)
			}
			for _, e := range all {
				if e.Line == 0 || e.Column == 0 || e.File != "alknet.toml" {
					t.Errorf("%v is not placed", e)
				}
			}
			golden(t, strings.TrimSuffix(path, ".toml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

func TestSourcesByStrength(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "alknet.toml")
	must(t, os.WriteFile(file, []byte("[node]\nname = \"file\"\ndrain = \"1s\"\n[[listeners]]\naddress = \"127.0.0.1:1\"\n[limits]\nconnections = 3\n"), 0o600))
	c, err := Load(Sources{
		File: file,
		Environ: []string{"ALKNET_NODE_DRAIN=2s", "ALKNET_LIMITS_CONNECTIONS=4", "ALKNET_AUTH_DEFAULT_SCOPES=a, b,", "ALKNET_AUTH_ALLOW_ANONYMOUS=true", "ALKNET_TRACES_RATIO=0.25",
			"ALKNET_HOME=/nowhere", "ALKNET_SERVICE_HOST=10.0.0.1", "ALKNET_PORT_4433_TCP=x", "PATH=/bin"},
		Flags: []Setting{{"limits.connections", "5", "--set"}, {"listen", "127.0.0.1:2,unix:///x", "--listen"}},
	})
	must(t, err)
	if c.Node.Name != "file" || c.Node.Drain != Duration(2*time.Second) || c.Limits.Connections != 5 || !c.Auth.AllowAnonymous || c.Traces.Ratio != 0.25 ||
		!slices.Equal(c.Auth.DefaultScopes, []string{"a", "b"}) || len(c.Listeners) != 2 || c.Listeners[1].Address != "unix:///x" || c.Limits.MaxFrame != 16<<20 {
		t.Errorf("%+v", c)
	}
	for key, want := range map[string]string{"node.name": file + ":2:1", "node.drain": "ALKNET_NODE_DRAIN", "limits.connections": "--set", "listeners[1].address": "--listen", "limits.max_queued": file + ":6:2"} {
		if got := c.Origin(key).String(); got != want {
			t.Errorf("%s comes from %s, want %s", key, got, want)
		}
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		environ, want string
		flag          Setting
	}{
		{environ: "ALKNET_LIMITS_CONECTIONS=1", want: `ALKNET_LIMITS_CONECTIONS: there is no such key in [limits]: did you mean "ALKNET_LIMITS_CONNECTIONS"?`},
		{environ: "ALKNET_LIMITS_CONNECTIONS=many", want: `ALKNET_LIMITS_CONNECTIONS: limits.connections: want a whole number, not "many"`},
		{environ: "ALKNET_LIMITS_CONNECTIONS=-1", want: `ALKNET_LIMITS_CONNECTIONS: limits.connections: -1 is out of range: want 0 to 1000000`},
		{environ: "ALKNET_AUTH_KEYS=x", want: `ALKNET_AUTH_KEYS: auth.keys: this can be set in the file only`},
		{environ: "ALKNET_TRACES_HEADERS=x=s3cret", want: `ALKNET_TRACES_HEADERS: traces.headers: this can be set in the file only`},
		{environ: "ALKNET_NODE_DRAIN=5", want: `ALKNET_NODE_DRAIN: node.drain: want a duration such as "5s", "1m30s" or "500ms", not "5"`},
		{environ: "ALKNET_AUTH_ALLOW_ANONYMOUS=maybe", want: `ALKNET_AUTH_ALLOW_ANONYMOUS: auth.allow_anonymous: want true or false, not "maybe"`},
		{flag: Setting{"limit.connections", "1", "--set"}, want: `--set: limit.connections: unknown key: did you mean "limits"?`},
		{flag: Setting{"limits", "1", "--set"}, want: `--set: limits: this is a table: name a key in it, connections, `},
		{flag: Setting{"log.level.x", "1", "--set"}, want: `--set: log.level.x: unknown key`},
		{flag: Setting{"listen", " ", "--listen"}, want: `--listen: listen: want an address such as 127.0.0.1:4433`},
		{flag: Setting{"log.format", "xml", "--log-format"}, want: `--log-format: log.format: want one of text and json, not "xml"`},
		{flag: Setting{"traces.ratio", "half", "--set"}, want: `--set: traces.ratio: want a number, not "half"`},
	} {
		_, err := Load(Sources{Environ: []string{c.environ}, Flags: slices.DeleteFunc([]Setting{c.flag}, func(s Setting) bool { return s.Key == "" })})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "alknet.toml")
	_, err := Load(Sources{File: missing})
	if err == nil || err.Error() != missing+": the configuration cannot be read: no such file or directory" {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(Sources{File: missing, Optional: true}); err != nil {
		t.Errorf("missing and optional: %v", err)
	}
	if _, err := Load(Sources{File: dir, Optional: true}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a folder: %v", err)
	}
	large := filepath.Join(dir, "large")
	must(t, os.WriteFile(large, make([]byte, maxFile+1), 0o600))
	if _, err := Load(Sources{File: large}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("large: %v", err)
	}
}

func TestChanges(t *testing.T) {
	parse := func(text string) *Config {
		t.Helper()
		c, err := Parse("x", []byte(text))
		must(t, err)
		return c
	}
	old := parse("[node]\nname = 'a'\n[[listeners]]\naddress = ':1'\n[limits]\nconnections = 1\n")
	next := parse("[node]\nname = 'b'\n[[listeners]]\naddress = ':2'\n[limits]\nconnections = 2\n[[access]]\npath='/x/*'\nscopes=['x']\n[log]\nlevel='warn'\n")
	all, restart := Changes(old, next)
	if !slices.Equal(all, []string{"access", "limits.connections", "listeners[0].address", "log.level", "node.name"}) || !slices.Equal(restart, []string{"listeners[0].address", "node.name"}) {
		t.Errorf("all %v, restart %v", all, restart)
	}
	if all, restart := Changes(next, next); len(all)+len(restart) > 0 {
		t.Errorf("nothing has changed: %v, %v", all, restart)
	}
}

// Where strangers cannot come from, nobody is counted unless it was asked for.
func TestLimitsOfLoopback(t *testing.T) {
	for listener, want := range map[string]int{
		"127.0.0.1:1": 0, "[::1]:1": 0, "tcp://localhost": 0, "unix:///run/s": 0, "quic://127.0.0.9:0": 0,
		":1": 64, "0.0.0.0:1": 64, "[::]:1": 64, "192.0.2.1:1": 64, "example.com:1": 64,
	} {
		c, err := Load(Sources{Flags: []Setting{{"listen", "unix:///s," + listener, "--listen"}}})
		must(t, err)
		if c.Limits.ConnectionsPerAddress != want || (c.Limits.FailuresPerAddress == 0) != (want == 0) {
			t.Errorf("%s: %+v", listener, c.Limits)
		}
	}
	c, err := Load(Sources{Flags: []Setting{{"limits.connections_per_address", "3", "--set"}}})
	must(t, err)
	if c.Limits.ConnectionsPerAddress != 3 || c.Limits.FailuresPerAddress != 0 {
		t.Errorf("%+v", c.Limits)
	}
}

func TestErrorsUnwrap(t *testing.T) {
	_, err := Parse("alknet.toml", []byte("[node]\nnme = 1\nkee = 2\n"))
	all, ok := AsErrors(errors.Join(errors.New("other"), err))
	var one *Error
	if !ok || len(all) != 2 || !errors.As(err, &one) || one.Key != "node.nme" || one.Line != 2 || one.Column != 1 || one.Suggestion != "name" {
		t.Errorf("%v", err)
	}
	raw, err := json.Marshal(one)
	if err != nil || string(raw) != `{"file":"alknet.toml","line":2,"column":1,"key":"node.nme","message":"unknown key","suggestion":"name"}` {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestDurationInJSON(t *testing.T) {
	for text, want := range map[string]time.Duration{`"1m"`: time.Minute, `1500`: 1500 * time.Millisecond, `0.5`: 500 * time.Microsecond} {
		var d Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{`"5"`, `-1`, `true`, `1e300`} {
		var d Duration
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s: %v", text, d)
		}
	}
}

func TestWarnings(t *testing.T) {
	c, err := Parse("alknet.toml", []byte("[forwarding]\ndefault = \"deny\"\n"))
	must(t, err)
	if got := c.Warnings().Error(); got != "alknet.toml:1:2: forwarding: this version opens no tunnels: the policy is checked, and has no effect" {
		t.Error(got)
	}
	if w := Default().Warnings(); len(w) > 0 {
		t.Error(w)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"connections", "connections_per_address", "max_frame", "name"}
	for name, want := range map[string]string{"conections": "connections", "maxFrame": "max_frame", "MAX-FRAME": "max_frame", "nmae": "name", "zzzzzzzz": "", "conn": "connections", "q": "", strings.Repeat("x", 4096): ""} {
		if got := suggest(name, known); got != want {
			t.Errorf("%.20s: %q, want %q", name, got, want)
		}
	}
}

// A range names what is allowed: NaN and the infinities are outside of each.
func TestNumbersOutsideOfTheirRange(t *testing.T) {
	for _, value := range []string{"nan", "+nan", "-nan", "inf", "-inf", "1.0000001", "-0.1"} {
		if _, err := Parse("c.toml", []byte("[traces]\nendpoint = \"http://127.0.0.1:1/\"\nratio = "+value+"\n")); err == nil || !strings.Contains(err.Error(), "want 0 to 1") {
			t.Errorf("ratio = %s: %v", value, err)
		}
		if value != "1.0000001" && value != "-0.1" {
			if _, err := Load(Sources{Flags: []Setting{{Key: "traces.ratio", Value: value, Source: "--set"}}}); err == nil {
				t.Errorf("--set traces.ratio=%s is taken", value)
			}
		}
	}
}
