//go:build unix

package fileop

import "syscall"

// openNonBlocking keeps the opening of a pipe from waiting for its other end; it
// changes nothing of regular files.
const openNonBlocking = syscall.O_NONBLOCK
