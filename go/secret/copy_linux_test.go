package secret

import (
	"bytes"
	"crypto/rand"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestCopyLeavesNothingInRegisters looks at the stack of the thread's signal handlers
// after a signal that comes right behind a copy, made by Copy and by copy.
func TestCopyLeavesNothingInRegisters(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dst, key := make([]byte, 32), make([]byte, 32)
	left := func(copies func(dst, src []byte) int) bool {
		_, _ = rand.Read(key)
		copies(dst, key)
		if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGURG); err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(signalStack(t), key[:16])
	}
	plain := false
	for range 100 { // the handler's own frames may overwrite what the kernel wrote
		plain = plain || left(func(dst, src []byte) int { return copy(dst, src) })
		if left(Copy) {
			t.Fatal("a signal behind Copy has spilled the secret")
		}
	}
	if !plain {
		t.Error("a signal behind copy has spilled nothing: the search is blind")
	}
}

// signalStack is the memory on which the kernel puts the registers for this thread's
// signal handlers.
func signalStack(t *testing.T) []byte {
	t.Helper()
	var stack struct {
		start unsafe.Pointer
		flags int32
		size  uintptr
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SIGALTSTACK, 0, uintptr(unsafe.Pointer(&stack)), 0); errno != 0 || stack.start == nil {
		t.Fatalf("no stack for signals: %v", errno)
	}
	return unsafe.Slice((*byte)(stack.start), int(stack.size))
}
