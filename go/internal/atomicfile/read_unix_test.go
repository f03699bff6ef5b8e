//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string, mode fs.FileMode) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	must(t, os.Chmod(path, mode))
	return path
}

func TestModes(t *testing.T) {
	dir := t.TempDir()
	for mode, want := range map[fs.FileMode]struct{ deciding, secret string }{
		0o600: {}, 0o400: {}, 0o644: {"", "chmod 600"}, 0o640: {"", "chmod 600"}, 0o604: {"", "chmod 600"},
		0o620: {"chmod go-w", "chmod 600"}, 0o602: {"chmod go-w", "chmod 600"}, 0o666: {"chmod go-w", "chmod 600"},
	} {
		path := write(t, filepath.Join(dir, "file"), "text", mode)
		for kind, remedy := range map[Kind]string{Public: "", Deciding: want.deciding, Secret: want.secret} {
			data, err := Read(path, 100, kind)
			switch {
			case remedy == "" && (err != nil || string(data) != "text"):
				t.Errorf("mode %o, kind %d: %q, %v", mode, kind, data, err)
			case remedy != "" && (err == nil || !strings.Contains(err.Error(), remedy+" "+path)):
				t.Errorf("mode %o, kind %d: %v, want %q", mode, kind, err, remedy)
			}
		}
	}
}

// Who can write to a folder above the file can put another file in its place.
func TestFoldersAbove(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	must(t, os.MkdirAll(filepath.Join(top, "in", "side"), 0o700))
	path := write(t, filepath.Join(top, "in", "side", "file"), "text", 0o600)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	for _, folder := range []string{filepath.Dir(path), filepath.Join(top, "in"), top} {
		for mode, good := range map[fs.FileMode]bool{0o755: true, 0o775: false, 0o757: false, 0o777 | fs.ModeSticky: true} {
			must(t, os.Chmod(folder, mode))
			for _, name := range []string{path, link} {
				if _, err := Read(name, 100, Deciding); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "chmod go-w "+folder) {
					t.Errorf("%s with mode %v: %v", folder, mode, err)
				}
			}
			if _, err := Read(path, 100, Public); err != nil {
				t.Error(err)
			}
		}
		must(t, os.Chmod(folder, 0o700))
	}
	must(t, CheckFolder(top))
	must(t, CheckFolder(filepath.Join(top, "none")))
}

func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files of other users need root")
	}
	path := write(t, filepath.Join(t.TempDir(), "file"), "text", 0o600)
	must(t, os.Chown(path, 12345, -1))
	if _, err := Read(path, 100, Deciding); err == nil || !strings.Contains(err.Error(), "uid 12345") || !strings.Contains(err.Error(), "chown 0 ") {
		t.Errorf("a file of another user: %v", err)
	}
	must(t, os.Chown(path, 0, -1))
	must(t, os.Chown(filepath.Dir(path), 12345, -1))
	if _, err := Read(path, 100, Secret); err == nil || !strings.Contains(err.Error(), filepath.Dir(path)) {
		t.Errorf("a folder of another user: %v", err)
	}
}

// Nothing waits: not for a pipe's writer, not for the end of a device.
func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, path := range []string{pipe, "/dev/zero", "/dev/null", dir} {
			_, err := Read(path, 100, Public)
			var refused *Error
			if !errors.As(err, &refused) || refused.Special == (path == dir) || !strings.HasPrefix(err.Error(), path+" ") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("reading waits")
	}
	if _, err := Read(filepath.Join(dir, "none"), 100, Secret); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	// A size of 0 is no bound: files of /proc have it.
	if _, err := Read("/proc/self/maps", 100, Public); err == nil && exists("/proc/self/maps") {
		t.Error("more than the limit was read")
	}
	for n, good := range map[int]bool{99: true, 100: true, 101: false} {
		path := write(t, filepath.Join(dir, "sized"), strings.Repeat("x", n), 0o600)
		if _, err := Read(path, 100, Secret); (err == nil) != good {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestServiceCredential(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "phrase"), "text", 0o440)
	if _, err := Read(path, 100, Secret); err == nil {
		t.Error("a group can read it")
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if _, err := Read(path, 100, Secret); err != nil {
		t.Error(err)
	}
	write(t, path, "text", 0o444)
	if _, err := Read(path, 100, Secret); err == nil {
		t.Error("all can read it")
	}
}

func TestReplaceKeepsOwnerAndMode(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "file"), "old", 0o640)
	group := os.Getgid()
	if os.Geteuid() == 0 {
		group = 12345
		must(t, os.Chown(path, 54321, group))
	}
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(path, link))
	for _, name := range []string{path, link} {
		must(t, Replace(name, []byte("new "+name)))
		info, err := os.Stat(path)
		must(t, err)
		system := info.Sys().(*syscall.Stat_t)
		data, err := os.ReadFile(path)
		must(t, err)
		if info.Mode().Perm() != 0o640 || int(system.Gid) != group || os.Geteuid() == 0 && system.Uid != 54321 || string(data) != "new "+name {
			t.Errorf("mode %v, owner %d:%d, %q", info.Mode(), system.Uid, system.Gid, data)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v are left, %v", entries, err)
	}
	if err := Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v", err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	must(t, Create(fresh, []byte("x")))
	if info, err := os.Stat(fresh); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
