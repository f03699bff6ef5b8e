//go:build cgo

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/engine"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The values of binding/alknet.h: a test cannot use cgo.
const (
	ebadf     = -1
	einval    = -2
	einternal = -4
)

// as gives a number the type of the C interface that another value has.
func as[T ~int64](_ T, n int64) T { return T(n) }

// withBytes calls an export that takes bytes.
func withBytes[E, B, L, R any](export func(E, *B, L) R, env E, bytes []byte, length L) R {
	return export(env, (*B)(unsafe.Pointer(unsafe.SliceData(bytes))), length)
}

func TestStaleHandles(t *testing.T) {
	for _, handle := range []int64{0, -1, 1, firstHandle, 1 << 60} {
		e := environmentOf(handle)
		if e != nil {
			t.Fatalf("handle %d is in use", handle)
		}
	}
	if alk_submit(12345, nil, 1) != ebadf || alk_attach(12345, nil, 0) != ebadf || alk_close(12345) != ebadf ||
		alk_poll(12345, nil, 0, nil, nil, nil) != ebadf {
		t.Error("a stale handle was taken")
	}
	if alk_open(nil, nil) != einval || alk_invoke(nil, nil, 0, nil, 0, nil) != einval {
		t.Error("a missing argument was taken")
	}
}

// A defect must not end the process that the engine is in.
func TestPanicInAnExport(t *testing.T) {
	broken := true
	e := engine.New(func() {
		if broken {
			panic("of the wake-up")
		}
	})
	handle := addEnvironment(e)
	env := as(alk_open(nil, nil), handle)
	batch := []byte("C\tn1\t1\t/a/b\t\tnull\n") // 18 bytes
	submit := func() int32 { return int32(withBytes(alk_submit, env, batch, 18)) }
	if got := submit(); got != einternal {
		t.Fatalf("submit with a panic inside: %d", got)
	}
	// Its locks are free, and it goes on.
	broken = false
	if got := submit(); got != 0 {
		t.Errorf("submit afterwards: %d", got)
	}
	dst := make([]byte, 1<<16)
	if got := string(dst[:e.Poll(dst).Length]); strings.Count(got, `"code":"UNAVAILABLE"`) != 2 {
		t.Errorf("completions %s", got)
	}
	if alk_close(env) != 0 || alk_close(env) != ebadf {
		t.Error("close")
	}
}

func TestFailuresFit(t *testing.T) {
	for _, err := range []*call.Error{
		{Code: "LOCKED", Message: "short"},
		{Code: "INVALID_INPUT", Message: strings.Repeat("long ", 400)},
	} {
		buffer := bytes.Repeat([]byte{0xff}, 1024)
		writeFailure(buffer, err)
		text, _, found := bytes.Cut(buffer, []byte{0})
		var told call.Error
		if !found || json.Unmarshal(text, &told) != nil || told.Code != err.Code {
			t.Errorf("%s: %q", err.Code, text)
		}
	}
}
