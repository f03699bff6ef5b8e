package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A file of --spec decides who may call: it has one reading.
func TestSpecFilesAreReadStrictly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spec.json")
	for text, good := range map[string]bool{
		`{"name":"/a/b","accessControl":{"requiredScopes":["x"]}}`:                          true,
		`[{"name":"/a/b"},{"name":"/a/c"}]`:                                                 true,
		`{"name":"/a/b","accessControl":{"requiredScopes":["x"]},"accessControl":{}}`:       false,
		`{"name":"/a/b","accessControl":{"requiredScopes":["x"],"requiredSc\u006fpes":[]}}`: false,
		`{"name":"/a/b","AccessControl":{}}`:                                                false,
		"{\"name\":\"/a/b\",\"description\":\"\xff\"}":                                      false,
		`{"name":"/a/b"} {}`: false,
		`{"name":"/a/b","inputSchema":{"type":"string","type":"number"}}`: false,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSpecs([]string{path}); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
