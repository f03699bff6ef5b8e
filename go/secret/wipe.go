package secret

import "reflect"

// wipeObject zeroes what pointer points to, whatever its fields: the way to wipe
// the state of a hash or a cipher whose type keeps it private. What its own
// pointers lead to is not wiped.
func wipeObject(pointer any) { reflect.ValueOf(pointer).Elem().SetZero() }

// stackDepth is how many bytes of stack an operation on secrets may use below its
// frame. The deepest in use needs under half of it (TestStackDepth).
const stackDepth = 16 << 10

// shield runs f and wipes the stack that f used. The stack is grown before, since
// growing it while f runs would leave a copy behind.
//
//go:noinline
func shield(f func()) {
	clearStack()
	f()
	clearStack()
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
