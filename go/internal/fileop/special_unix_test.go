//go:build unix

package fileop

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/go/internal/call"
)

// TestNotAFile opens what would block or run for ever.
func TestNotAFile(t *testing.T) {
	o := offer(t, Config{}, "fs:*")
	must(t, syscall.Mkfifo(filepath.Join(o.root, "pipe"), 0o600))
	ln, err := net.Listen("unix", filepath.Join(o.root, "socket"))
	must(t, err)
	defer ln.Close()
	for _, name := range []string{"pipe", "socket"} {
		for _, c := range []struct {
			op    string
			input args
		}{{"/fs/read", args{"path": name}}, {"/fs/write", args{"path": name, "content": "x", "mode": "append"}}, {"/fs/list", args{"path": name}}} {
			if _, err := o.call(c.op, c.input); call.CodeOf(err) != call.InvalidInput {
				t.Errorf("%s %s: %v", c.op, name, err)
			}
		}
		if got, err := o.call("/fs/stat", args{"path": name}); err != nil || !strings.Contains(string(got), `"type":"other"`) {
			t.Errorf("stat %s: %s, %v", name, got, err)
		}
	}
}

// TestNamesThatAreNoText leaves them out: U+FFFD in their place would name another file.
func TestNamesThatAreNoText(t *testing.T) {
	o := offer(t, Config{}, "fs:*")
	if err := os.WriteFile(filepath.Join(o.root, "zz\xff"), nil, 0o600); err != nil {
		t.Skip("the file system takes UTF-8 only: ", err)
	}
	got, err := o.call("/fs/list", args{"path": "."})
	if err != nil || strings.Contains(string(got), "zz") {
		t.Errorf("%s, %v", got, err)
	}
}
