package secret

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// The kernel hands a signal's handler a copy of all registers, on a stack that
// nobody can wipe, and Go's runtime interrupts its own goroutines by signals. So
// while an operation has secrets in registers its thread takes none, but for those
// that report a fault of the thread itself.
var blockedSignals = func() (set unix.Sigset_t) {
	for i := range set.Val {
		set.Val[i] = ^set.Val[i]
	}
	// Signals are numbered from 1, and these lie in the first word. glibc needs 32 and 33
	// itself, for cancellation and setuid.
	for _, fault := range []unix.Signal{32, 33, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, unix.SIGABRT} {
		set.Val[0] &^= 1 << (fault - 1)
	}
	return set
}()

// holdSignals keeps signals from the calling thread until the function that it
// returns is called. Signals wait meanwhile; none is lost.
func holdSignals() (release func()) {
	runtime.LockOSThread()
	var before unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_SETMASK, &blockedSignals, &before) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
		runtime.UnlockOSThread()
	}
}
