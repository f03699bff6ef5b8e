//go:build unix

package main

import "golang.org/x/sys/unix"

// inherited reports whether a descriptor was open when the program started. Those
// that the program and its runtime opened have the same numbers as ones that
// somebody may have meant to open, but are marked to be closed on exec, which no
// inherited one can be.
func inherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}
