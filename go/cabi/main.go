// Command cabi is the engine behind the Node.js addon, built as a C archive: package
// engine with the C interface of binding/alknet.h. It is the only package that uses
// cgo.
//
// Nothing here prints, installs a signal handler or changes a limit of the host
// process, and every export and goroutine recovers from a panic: a defect of the
// engine must not end somebody's program.
package main

/*
#include "../../binding/alknet.h"

typedef const uint8_t alk_const_bytes;
typedef const char alk_const_text;

static void alk_wake(alk_wake_fn wake, void *context) { wake(context); }
*/
import "C"

import (
	"io"
	"log"
	"os"
	"runtime"
	"unsafe"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/engine"
)

// version is set by the build.
var version = "dev"

func init() {
	// Libraries below write warnings through the standard logger, to a stderr that is
	// not ours.
	log.SetOutput(io.Discard)
	addProcessor()
	engine.Version = version
}

// addProcessor lets Go use one processor more than there are, unless the environment
// says how many. A thread that has called into Go keeps one when it returns, until the
// scheduler takes it back: where all are in use it does so every 20 µs, and starts a
// thread to look for work. That was a quarter of all context switches.
func addProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

func main() {} // required of a C archive, never run

//export alk_abi_version
func alk_abi_version() C.int32_t { return C.ALK_ABI_VERSION }

//export alk_open
func alk_open(wake C.alk_wake_fn, context unsafe.Pointer) (result C.int64_t) {
	defer recoverInto(&result)
	if wake == nil {
		return C.ALK_EINVAL
	}
	return C.int64_t(addEnvironment(engine.New(func() { C.alk_wake(wake, context) })))
}

//export alk_submit
func alk_submit(env C.int64_t, batch *C.alk_const_bytes, length C.size_t) (result C.int32_t) {
	defer recoverInto(&result)
	e := environmentOf(int64(env))
	if e == nil {
		return C.ALK_EBADF
	}
	if length == 0 {
		return 0
	}
	if batch == nil {
		return C.ALK_EINVAL
	}
	// One copy for the whole batch: what is kept of it outlives the call.
	if !e.Submit(C.GoBytes(unsafe.Pointer(batch), C.int(length))) {
		return C.ALK_EINVAL
	}
	return 0
}

//export alk_attach
func alk_attach(env C.int64_t, bytes *C.alk_const_bytes, length C.size_t) (result C.int64_t) {
	defer recoverInto(&result)
	e := environmentOf(int64(env))
	switch {
	case e == nil:
		return C.ALK_EBADF
	case bytes == nil && length > 0:
		return C.ALK_EINVAL
	case length > engine.MaxAttachment:
		return C.ALK_ERANGE
	}
	copied := make([]byte, int(length))
	engine.Copy(copied, unsafe.Slice((*byte)(unsafe.Pointer(bytes)), int(length)))
	id, ok := e.Attach(copied)
	if !ok {
		return C.ALK_EINVAL
	}
	return C.int64_t(id)
}

//export alk_poll
func alk_poll(env C.int64_t, buffer *C.uint8_t, capacity C.size_t, needed *C.size_t, ascii, more *C.int32_t) (result C.int64_t) {
	defer recoverInto(&result)
	e := environmentOf(int64(env))
	if e == nil {
		return C.ALK_EBADF
	}
	if buffer == nil || needed == nil || ascii == nil || more == nil {
		return C.ALK_EINVAL
	}
	batch := e.Poll(unsafe.Slice((*byte)(buffer), int(capacity)))
	*needed, *ascii, *more = C.size_t(batch.Needed), 0, 0
	if batch.ASCII {
		*ascii = 1
	}
	if batch.More {
		*more = 1
	}
	if batch.Needed > 0 {
		return C.ALK_ERANGE
	}
	return C.int64_t(batch.Length)
}

//export alk_invoke
func alk_invoke(name *C.alk_const_text, input *C.alk_const_bytes, length C.size_t, buffer *C.uint8_t, capacity C.size_t, needed *C.size_t) (result C.int64_t) {
	defer recoverInto(&result)
	if name == nil || needed == nil || buffer == nil && capacity > 0 || input == nil && length > 0 {
		return C.ALK_EINVAL
	}
	in := C.GoBytes(unsafe.Pointer(input), C.int(length))
	defer clear(in)
	answer, ok := engine.Invoke(text(name), in)
	defer clear(answer)
	*needed = C.size_t(len(answer))
	if len(answer) > int(capacity) {
		return C.ALK_ERANGE
	}
	copy(unsafe.Slice((*byte)(buffer), int(capacity)), answer)
	if !ok {
		return C.ALK_EFAILED
	}
	return C.int64_t(len(answer))
}

//export alk_secret
func alk_secret(env C.int64_t, name *C.alk_const_text, handle C.int64_t, arguments *C.alk_const_text, input *C.alk_const_bytes, length C.size_t, output *C.uint8_t, capacity C.size_t, failure *C.char) (result C.int64_t) {
	defer recoverInto(&result)
	if name == nil || arguments == nil || failure == nil || output == nil && capacity > 0 || input == nil && length > 0 {
		return C.ALK_EINVAL
	}
	e := environmentOf(int64(env))
	if e == nil {
		return C.ALK_EBADF
	}
	// Read where it lies: a copy would be one more to wipe.
	in := unsafe.Slice((*byte)(unsafe.Pointer(input)), int(length))
	answer, err := e.Secret(text(name), int64(handle), []byte(text(arguments)), in)
	defer clear(answer)
	if err != nil {
		writeFailure(unsafe.Slice((*byte)(unsafe.Pointer(failure)), C.ALK_ERROR_SIZE), engine.AsError(err))
		return C.ALK_EFAILED
	}
	if len(answer) > int(capacity) {
		return C.ALK_ERANGE
	}
	engine.Copy(unsafe.Slice((*byte)(output), int(capacity)), answer)
	return C.int64_t(len(answer))
}

func text(s *C.alk_const_text) string { return C.GoString((*C.char)(unsafe.Pointer(s))) }

// writeFailure writes an error object and a zero byte. What its message quotes of
// the caller's may make it too long: then the code must do.
func writeFailure(dst []byte, err *call.Error) {
	object := err.AppendJSON(nil)
	if len(object) >= len(dst) {
		object = (&call.Error{Code: err.Code, Message: "the operation failed"}).AppendJSON(nil)
	}
	dst[copy(dst[:len(dst)-1], object)] = 0
}

//export alk_take
func alk_take(env C.int64_t, number C.int64_t, output *C.uint8_t, capacity C.size_t) (result C.int64_t) {
	defer recoverInto(&result)
	if output == nil && capacity > 0 {
		return C.ALK_EINVAL
	}
	e := environmentOf(int64(env))
	if e == nil {
		return C.ALK_EBADF
	}
	n, ok := e.TakeResult(int64(number), unsafe.Slice((*byte)(output), int(capacity)))
	switch {
	case ok:
		return C.int64_t(n)
	case n > 0:
		return C.ALK_ERANGE
	}
	return C.ALK_EINVAL
}

//export alk_close
func alk_close(env C.int64_t) (result C.int32_t) {
	defer recoverInto(&result)
	e := removeEnvironment(int64(env))
	if e == nil {
		return C.ALK_EBADF
	}
	e.Close()
	return 0
}

// recoverInto makes a panic in an export ALK_EINTERNAL.
func recoverInto[T C.int32_t | C.int64_t](result *T) {
	if recover() != nil {
		*result = C.ALK_EINTERNAL
	}
}
