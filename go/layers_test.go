package alknet_test

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of packages in docs/ARCHITECTURE.md")

const (
	module       = "github.com/alkdev/alknet/go"
	architecture = "../docs/ARCHITECTURE.md"
	root         = "alknet" // the public package, in this folder
)

// layers lists all packages, the highest layer first. An import goes to a lower layer;
// within a layer there is none.
var layers = [][]string{
	{"cmd/alknet", "cabi"},
	{"internal/engine/pipe"},
	{"internal/engine", root},
	{"internal/node"},
	{"internal/frameif", "internal/route", "internal/service"},
	{"internal/execop", "internal/fileop", "internal/admission"},
	{"internal/call"},
	{"internal/auth", "internal/transport", "internal/credential"},
	{"internal/principal", "secret"},
	{"internal/wire", "internal/config", "internal/audit", "internal/metrics", "internal/trace", "internal/systemd"},
	{"internal/schema"},
	{"internal/atomicfile", "internal/ecmascript", "internal/share", "internal/strictjson"},
}

// mayImport lists what each package may import of ours: less than its layer allows. A
// package that is not here fails the test: decide where it stands before it grows.
var mayImport = map[string][]string{
	"internal/atomicfile":  {},
	"internal/ecmascript":  {},
	"internal/schema":      {"internal/ecmascript", "internal/strictjson"},
	"internal/share":       {},
	"internal/strictjson":  {},
	"internal/wire":        {},
	"secret":               {}, // imports nothing of ours
	"internal/credential":  {"internal/atomicfile", "secret"},
	"internal/principal":   {},
	"internal/auth":        {"internal/atomicfile", "internal/principal"},
	"internal/transport":   {"internal/principal"},
	"internal/admission":   {"internal/transport"},
	"internal/config":      {"internal/atomicfile"},
	"internal/metrics":     {},
	"internal/systemd":     {},
	"internal/trace":       {},
	"internal/audit":       {},
	"internal/call":        {"internal/wire", "internal/auth", "internal/schema", "internal/strictjson"},
	"internal/frameif":     {"internal/auth", "internal/call", "internal/principal", "internal/transport"},
	"internal/route":       {"internal/auth", "internal/call", "internal/strictjson"},
	"internal/service":     {"internal/admission", "internal/atomicfile", "internal/auth", "internal/call", "internal/principal", "internal/transport"},
	"internal/fileop":      {"internal/call", "internal/share", "internal/strictjson"},
	"internal/execop":      {"internal/call", "internal/share"},
	"internal/node":        {"internal/admission", "internal/atomicfile", "internal/audit", "internal/auth", "internal/call", "internal/config", "internal/credential", "internal/frameif", "internal/metrics", "internal/principal", "internal/route", "secret", "internal/service", "internal/strictjson", "internal/trace", "internal/transport"},
	root:                   {"internal/auth", "internal/call", "internal/principal", "internal/transport", "internal/node"},
	"internal/engine":      {"internal/auth", "internal/call", "internal/config", "internal/credential", "internal/node", "internal/principal", "secret", "internal/strictjson", "internal/transport", "internal/wire"},
	"internal/engine/pipe": {"internal/call", "internal/engine"},
	"cabi":                 {"internal/call", "internal/engine"},
	"cmd/alknet":           {"internal/atomicfile", "internal/audit", "internal/auth", "internal/call", "internal/config", "internal/credential", "internal/engine", "internal/engine/pipe", "internal/execop", "internal/fileop", "internal/node", "internal/principal", "internal/route", "secret", "internal/service", "internal/strictjson", "internal/systemd", "internal/transport"},
}

// mayUseCgo is the one package that does.
const mayUseCgo = "cabi"

// source is what a package's files say, whatever their platform or build tag.
type source struct {
	imports map[string]bool // paths
	comment string          // of the package
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
		if name == "." {
			name = root
		}
		if found[name] == nil {
			found[name] = &source{imports: map[string]bool{}}
		}
		found[name].read(file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s *source) read(file *ast.File) {
	for _, spec := range file.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			s.imports[imported] = true
		}
	}
	if file.Doc != nil {
		s.comment = file.Doc.Text()
	}
}

// ours returns the package's name in mayImport, if the path is one of ours.
func ours(path string) (name string, ok bool) {
	if path == module {
		return root, true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestLayers(t *testing.T) {
	found := packages(t)
	layer := map[string]int{}
	for i, names := range layers {
		for _, name := range names {
			layer[name] = len(layers) - i
		}
	}
	for name, p := range found {
		allowed, known := mayImport[name]
		if !known || layer[name] == 0 {
			t.Errorf("%s is in no layer: enter it in layers and mayImport", name)
		}
		for path := range p.imports {
			imported, own := ours(path)
			switch {
			case own && !slices.Contains(allowed, imported):
				t.Errorf("%s imports %s, which mayImport does not allow", name, imported)
			case own && layer[imported] >= layer[name]:
				t.Errorf("%s imports %s, which is not in a lower layer", name, imported)
			}
		}
		if p.imports["C"] && name != mayUseCgo {
			t.Errorf("%s uses cgo: only %s does", name, mayUseCgo)
		}
		if p.comment == "" {
			t.Errorf("%s has no package comment", name)
		}
	}
	for name := range mayImport {
		if found[name] == nil {
			t.Errorf("mayImport lists %s, which does not exist", name)
		}
	}
}

var table = regexp.MustCompile(`(?s)<!-- packages -->\n.*<!-- end of packages -->`)

// TestArchitecture holds the table of docs/ARCHITECTURE.md against the packages. go test
// ./go -update writes it.
func TestArchitecture(t *testing.T) {
	found := packages(t)
	var b strings.Builder
	b.WriteString("<!-- packages -->\n| layer | package | what it is | may import |\n| ---: | --- | --- | --- |\n")
	short := func(name string) string { return "`" + strings.TrimPrefix(name, "internal/") + "`" }
	for i, names := range layers {
		for _, name := range names {
			if found[name] == nil {
				continue // TestLayers says so
			}
			imports := make([]string, 0, len(mayImport[name]))
			for _, imported := range mayImport[name] {
				imports = append(imports, short(imported))
			}
			slices.Sort(imports)
			synopsis := new(doc.Package).Synopsis(found[name].comment)
			fmt.Fprintf(&b, "| %d | `go/%s` | %s | %s |\n", len(layers)-i, strings.TrimPrefix(name, root), strings.ReplaceAll(synopsis, "|", "\\|"), cmp.Or(strings.Join(imports, ", "), "nothing of ours"))
		}
	}
	b.WriteString("<!-- end of packages -->")
	page, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	now := table.Find(page)
	if now == nil {
		t.Fatalf("%s has no table of packages", architecture)
	}
	if string(now) == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s has another table of packages: go test ./go -run TestArchitecture -update", architecture)
	}
	if err := os.WriteFile(architecture, table.ReplaceAllLiteral(page, []byte(b.String())), 0o644); err != nil {
		t.Fatal(err)
	}
}
