//go:build linux && alknet_addon

package secret

import (
	"os/exec"
	"strings"
	"testing"
)

// buildTags are the tags that this test is built with.
const buildTags = "alknet_addon"

// TestMemguardIsNotInTheAddon looks at the dependencies of what the addon links.
func TestMemguardIsNotInTheAddon(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", buildTags, ".").Output()
	must(t, err)
	if !strings.Contains(string(out), "github.com/awnumar/memcall\n") || strings.Contains(string(out), "memguard") {
		t.Errorf("the addon's dependencies are\n%s", out)
	}
}
