package alknet_test

import (
	"cmp"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/alkdev/alknet/go/"

// mayImport lists, for each package, what it may import of ours. A package that is
// not here fails the test: decide where a new one stands before it grows.
var mayImport = map[string][]string{
	"internal/wire":       {},
	"secret":              {}, // imports nothing of ours
	"internal/credential": {"secret"},
	"internal/principal":  {},
	"auth":                {"internal/principal"},
	"internal/transport":  {"internal/principal"},
	"config":              {},
	"internal/metrics":    {},
	"internal/systemd":    {},
	"internal/trace":      {},
	"internal/audit":      {},
	"call":                {"internal/wire", "auth"},
	"internal/frameif":    {"auth", "call", "internal/principal", "internal/transport"},
	"internal/route":      {"auth", "call"},
	"internal/service":    {"auth", "call", "internal/principal", "internal/transport"},
	"internal/fileop":     {"call"},
	"internal/execop":     {"call"},
	"node":                {"internal/audit", "auth", "call", "config", "internal/credential", "internal/frameif", "internal/metrics", "internal/principal", "internal/route", "secret", "internal/service", "internal/trace", "internal/transport"},
	"internal/engine":     {"auth", "call", "config", "internal/credential", "node", "internal/principal", "secret", "internal/transport", "internal/wire"},
	// The two faces, and what carries the engine's messages out of a process.
	"internal/engine/pipe": {"call", "internal/engine"},
	"cabi":                 {"call", "internal/engine"},
	"cmd/alknet":           {"internal/audit", "auth", "call", "config", "internal/credential", "internal/engine", "internal/engine/pipe", "internal/execop", "internal/fileop", "node", "internal/principal", "internal/route", "secret", "internal/service", "internal/systemd", "internal/transport"},
}

// mayUseCgo is the one package that does.
const mayUseCgo = "cabi"

// source is what a package's files say, whatever their platform or build tag.
type source struct {
	imports    map[string]bool // paths
	documented bool
}

func packages(t *testing.T) map[string]*source {
	t.Helper()
	found := map[string]*source{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == "testdata" {
			return cmp.Or(err, error(fs.SkipDir))
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(filepath.Dir(path))
		if found[name] == nil {
			found[name] = &source{imports: map[string]bool{}}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[name].imports[imported] = true
		}
		found[name].documented = found[name].documented || file.Doc != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLayers(t *testing.T) {
	found := packages(t)
	for name, p := range found {
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s is in no layer: enter it in mayImport and in docs/ARCHITECTURE.md", name)
		}
		for path := range p.imports {
			if ours, ok := strings.CutPrefix(path, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which its layer does not allow", name, ours)
			}
		}
		if p.imports["C"] && name != mayUseCgo {
			t.Errorf("%s uses cgo: only %s does", name, mayUseCgo)
		}
		if !p.documented {
			t.Errorf("%s has no package comment", name)
		}
	}
	for name := range mayImport {
		if found[name] == nil {
			t.Errorf("mayImport lists %s, which does not exist", name)
		}
	}
}
