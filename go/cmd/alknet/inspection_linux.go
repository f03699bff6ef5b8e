package main

import "golang.org/x/sys/unix"

// forbidInspection makes the process undumpable: the kernel writes no core file and
// pipes none to a program (RLIMIT_CORE, which memguard sets to 0, does not hold for
// pipes), and other processes of the same user cannot read its memory.
func forbidInspection() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
