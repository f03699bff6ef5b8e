package schema

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The official test suite of JSON Schema, which a module that the project uses has with it.
func TestOfficialSuite(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		t.Skip("the go command does not find the module: ", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "jsonschema", "testdata", "draft2020-12", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the module is there without its tests")
	}
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Description string
			Schema      json.RawMessage
			Tests       []struct {
				Description string
				Data        json.RawMessage
				Valid       bool
			}
		}
		if err := json.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			s, err := Compile(group.Schema)
			if err != nil {
				if !strings.Contains(err.Error(), "may only refer to itself") {
					t.Errorf("%s: %s: %v", filepath.Base(file), group.Description, err)
				}
				continue
			}
			for _, test := range group.Tests {
				found, err := s.Check(test.Data, nil)
				if ran++; err != nil || (len(found) == 0) != test.Valid {
					t.Errorf("%s: %s: %s: %s: %v %v", filepath.Base(file), group.Description, test.Description, test.Data, found, err)
				}
			}
		}
	}
	if ran < 900 {
		t.Errorf("only %d tests ran", ran)
	}
}
