//go:build unix

package credential

import (
	"io/fs"
	"syscall"
)

const nonBlocking = syscall.O_NONBLOCK

// writableByOthers reports whether others than the owner can change what a file or a
// folder holds. What is sealed may be read.
func writableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }
