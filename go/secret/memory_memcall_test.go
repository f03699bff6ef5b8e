//go:build linux && alknet_addon

package secret

import (
	"os/exec"
	"strings"
	"testing"
)

// buildTags are the tags that this test is built with.
const buildTags = "alknet_addon"

// TestMemguardIsNotInTheAddon looks at the dependencies of what the addon links, and
// of what the binary does, where the search must find it.
func TestMemguardIsNotInTheAddon(t *testing.T) {
	for tags, want := range map[string]bool{buildTags: false, "": true} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, ".").Output()
		must(t, err)
		if !strings.Contains(string(out), "github.com/awnumar/memcall\n") || strings.Contains(string(out), "memguard") != want {
			t.Errorf("with the tags %q the dependencies are\n%s", tags, out)
		}
	}
}
