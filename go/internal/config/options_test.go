package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alknet.toml")
	must(t, os.WriteFile(file, []byte("[node]\nname = \"file\"\n[limits]\nconnections = 3\n[[access]]\npath = \"/a/b\"\nscopes = [\"a\"]\n"), 0o600))
	c, err := Load(Sources{File: file, Options: [][]byte{
		[]byte(`{"node":{"drain":1500},"listeners":[{"address":"127.0.0.1:1"},{"address":"127.0.0.1:2"}],"auth":{"keys":[{"publicKey":"ssh-ed25519 AAAA","resources":{"p":["1"]},"expires":"2030-01-02T03:04:05Z","certAuthority":true}],"allowAnonymous":true}}`),
		[]byte(`{"listeners":[{"address":"127.0.0.1:3"}],"access":[],"limits":{"connectionsPerAddress":8,"openTimeout":"2s"},"traces":{"ratio":0.5}}`),
	}})
	must(t, err)
	if c.Node.Name != "file" || c.Node.Drain != Duration(1500*time.Millisecond) || len(c.Listeners) != 1 || c.Listeners[0].Address != "127.0.0.1:3" || len(c.Access) != 0 ||
		c.Limits.Connections != 3 || c.Limits.ConnectionsPerAddress != 8 || c.Limits.OpenTimeout != Duration(2*time.Second) || !c.Auth.AllowAnonymous || c.Traces.Ratio != 0.5 ||
		!c.Auth.Keys[0].CertAuthority || c.Auth.Keys[0].Resources["p"][0] != "1" || c.Auth.Keys[0].Expires.Year() != 2030 {
		t.Errorf("%+v", c)
	}
	if got := c.Origin("limits.connections_per_address").String(); got != "options" {
		t.Errorf("it comes from %s", got)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for options, want := range map[string]string{
		`{"limit":{}}`: `options: limit: unknown key: did you mean "limits"?`,
		`{"limits":{"connections_per_address":1}}`:               `options: limits.connections_per_address: unknown key: did you mean "connectionsPerAddress"?`,
		`{"limits":{"connections":"1","maxFrame":1.5}}`:          "options: limits.connections: want a whole number\noptions: limits.maxFrame: want a whole number",
		`{"limits":{"connections":-1}}`:                          `options: limits.connections: -1 is out of range: want 0 to 1000000`,
		`{"limits":[]}`:                                          `options: limits: want an object`,
		`{"listeners":[":1"]}`:                                   `options: listeners[0]: want an object`,
		`{"listeners":{}}`:                                       `options: listeners: want an array of objects`,
		`{"auth":{"defaultScopes":["a",1]}}`:                     `options: auth.defaultScopes[1]: want a string`,
		`{"auth":{"keys":[{"publicKey":1}]}}`:                    `options: auth.keys[0].publicKey: want a string`,
		`{"auth":{"keys":[{}]}}`:                                 `options: auth.keys[0].publicKey: this key is required`,
		`{"auth":{"keys":[{"publicKey":"x","expires":"soon"}]}}`: `options: `,
		`{"node":{"drain":-5}}`:                                  `options: want a number of milliseconds`,
		`{"node":{"drain":true}}`:                                `options: node.drain: want a number of milliseconds, or a duration such as "5s"`,
		`{"node":null}`:                                          `options: node: want an object`,
		`[]`:                                                     `options: want an object`,
		`{`:                                                      `options: they are not JSON`,
	} {
		_, err := Load(Sources{Options: [][]byte{[]byte(options)}})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", options, err, want)
		}
	}
}

// The names of the programmatic options are those of the file, in camel case.
func TestNamesOfOptions(t *testing.T) {
	var visit func(f *field, path string)
	visit = func(f *field, path string) {
		for _, c := range f.fields {
			if camel := camelCase(c.name); c.jsonName != camel {
				t.Errorf("%s.%s is %s in the options, want %s", path, c.name, c.jsonName, camel)
			}
			visit(c, join(path, c.name))
		}
	}
	visit(structure(), "")
}
