//go:build unix

package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// openFlags: a named pipe or a terminal that has taken the file's place does not block.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

const (
	writableByOthers = 0o022
	usableByOthers   = 0o077
)

// checkTrust checks the owner and the mode of a file, and of the folders above it.
func checkTrust(path string, info fs.FileInfo, kind Kind) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	switch perm := info.Mode().Perm(); {
	case kind == Secret && perm&usableByOthers != 0 && !isServiceCredential(path, info):
		return &Error{Path: path, Reason: fmt.Sprintf("can be read by others (mode %04o): run `chmod 600 %s`", perm, path)}
	case perm&writableByOthers != 0:
		return &Error{Path: path, Reason: fmt.Sprintf("can be written by others (mode %04o): run `chmod go-w %s`", perm, path)}
	}
	named, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := checkFolders(filepath.Dir(named)); err != nil {
		return err
	}
	// A link's target can be replaced by the owners of other folders.
	real, err := filepath.EvalSymlinks(named)
	if err != nil {
		return err
	}
	if real == named {
		return nil
	}
	return checkFolders(filepath.Dir(real))
}

// checkFolders checks a folder and all above it. In a folder with the sticky bit, as
// /tmp, others can add files, but not replace this user's.
func checkFolders(folder string) error {
	for {
		info, err := os.Stat(folder)
		if err != nil {
			return err
		}
		if err := checkOwner(folder, info); err != nil {
			return err
		}
		if perm := info.Mode().Perm(); perm&writableByOthers != 0 && info.Mode()&fs.ModeSticky == 0 {
			return &Error{Path: folder, Reason: fmt.Sprintf("can be written by others (mode %04o), who can replace the files in it: run `chmod go-w %s`", perm, folder)}
		}
		above := filepath.Dir(folder)
		if above == folder {
			return nil
		}
		folder = above
	}
}

// checkOwner refuses what belongs to another user than this process's and root.
func checkOwner(path string, info fs.FileInfo) error {
	system, ok := info.Sys().(*syscall.Stat_t)
	if !ok || system.Uid == 0 || int(system.Uid) == os.Geteuid() || system.Uid == unmapped && rootIsUnmapped() {
		return nil
	}
	return &Error{Path: path, Reason: fmt.Sprintf("belongs to another user (uid %d): run `chown %d %s`", system.Uid, os.Geteuid(), path)}
}

// unmapped is how a user namespace shows the users that it does not have.
const unmapped = 65534

// rootIsUnmapped reports whether this process is in a user namespace that shows root's
// files as those of nobody. Who made the namespace can be no other user.
var rootIsUnmapped = sync.OnceValue(func() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
		fields := strings.Fields(line) // first inside, first outside, how many
		return len(fields) == 3 && fields[1] == "0"
	})
})

// isServiceCredential reports whether systemd has given the file to this service. It
// grants access by a list, which the mode shows as a group that can read.
func isServiceCredential(path string, info fs.FileInfo) bool {
	folder := os.Getenv("CREDENTIALS_DIRECTORY")
	return folder != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(folder) && info.Mode().Perm()&0o037 == 0
}

// keepOwner gives a file the owner and the group of another one.
func keepOwner(file *os.File, old fs.FileInfo) error {
	want, ok := old.Sys().(*syscall.Stat_t)
	info, err := file.Stat()
	if err != nil || !ok {
		return err
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	if !ok || have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	return file.Chown(int(want.Uid), int(want.Gid))
}
