package secret

import "reflect"

// wipeObject zeroes what pointer points to, whatever its fields: the way to wipe
// the state of a hash or a cipher whose type keeps it private. What its own
// pointers lead to is not wiped.
func wipeObject(pointer any) { reflect.ValueOf(pointer).Elem().SetZero() }

// stackDepth is how many bytes of stack an operation on secrets may use. The
// deepest uses a third of it, and never more than three quarters (TestStackDepth).
const stackDepth = 8 << 10

// shield runs f and wipes what f left on the stack and in the processor's vector
// registers. Neither may be copied elsewhere meanwhile: signals are held back, and
// f's stack does not move. It is grown before, and the garbage collector does not
// shrink it while more than a quarter of it is in use, for which the array stands.
//
//go:noinline
func shield(f func()) {
	var held [stackDepth]byte
	touch(&held)
	clearStack()
	defer holdSignals()()
	f()
	clearRegisters(hasAVX)
	clearStack()
	touch(&held)
}

// Copy copies what is secret, as copy does, and leaves nothing of it in the
// processor's registers, from where a signal would spill it on a stack that nobody
// wipes. It is for those who hand secrets on; both slices stay the caller's, to wipe.
func Copy(dst, src []byte) (n int) {
	shield(func() { n = copy(dst, src) })
	return n
}

// clearStack zeroes the stack below its caller's frame.
//
//go:noinline
func clearStack() {
	var below [stackDepth]byte
	touch(&below)
}

// touch keeps the compiler from leaving out an array that is zeroed and not read.
//
//go:noinline
func touch(*[stackDepth]byte) {}
