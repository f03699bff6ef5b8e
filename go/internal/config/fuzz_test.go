package config

import (
	"bytes"
	"path/filepath"
	"testing"
)

// Whatever is accepted is valid, and its dump reads back as the same configuration;
// whatever is refused is refused with a place in the text.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/mistakes/*.toml")
	must(f, err)
	for _, path := range append(files, "testdata/full.toml") {
		f.Add(read(f, path))
	}
	f.Add([]byte("a.b.c = [[{x = 1}]]\n\"\" = 1\n[\"node\"]\n'name' = '''\n\x07'''\n"))
	f.Add([]byte("auth.keys = [{public_key = 'x', resources = {a = ['b'], 'c d' = []}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("/f", data)
		if err != nil {
			all, ok := AsErrors(err)
			if !ok || len(all) == 0 {
				t.Fatalf("%q: error of type %T: %v", data, err, err)
			}
			lines := bytes.Count(data, []byte("\n")) + 1
			for _, e := range all {
				if e.Line < 1 || e.Line > lines || e.Column < 1 || e.Message == "" {
					t.Fatalf("%q: misplaced: %+v", data, e)
				}
			}
			return
		}
		secrets := c.Traces.Headers != nil
		for _, k := range c.Auth.APIKeys {
			secrets = secrets || k.SHA256 != ""
		}
		if secrets {
			return // redacted: it does not read back
		}
		dump := c.Dump(false)
		back, err := Parse("/f", dump)
		if err != nil {
			t.Fatalf("%q: its dump is refused: %v\n%s", data, err, dump)
		}
		if all, _ := Changes(c, back); len(all) > 0 {
			t.Fatalf("%q: %v changed in its dump\n%s", data, all, dump)
		}
	})
}

func FuzzParseAPIKeys(f *testing.F) {
	f.Add(FormatAPIKeys([]APIKey{{Prefix: "alk_abcdefgh", SHA256: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", Description: "x \"y\"", Resources: map[string][]string{"a b": {"c"}}}}))
	f.Add([]byte("[[api_keys]]\nprefix = 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseAPIKeys("/f", data)
		if err != nil {
			return
		}
		text := FormatAPIKeys(keys)
		back, err := ParseAPIKeys("/f", text)
		if err != nil || !bytes.Equal(FormatAPIKeys(back), text) {
			t.Fatalf("%q came back differently: %v\n%s", data, err, text)
		}
	})
}
