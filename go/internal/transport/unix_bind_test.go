//go:build unix

package transport

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A socket file has no moment in which others may connect.
func TestUnixSocketMode(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := filepath.Join(t.TempDir(), "s")
	ln, err := bindUnix(context.Background(), path)
	must(t, err)
	defer ln.Close()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
