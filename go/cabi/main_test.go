package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

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
		e := environments.get(handle)
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
	e := newEnvironment(func() {
		if broken {
			panic("of the wake-up")
		}
	})
	handle := environments.add(e)
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
	if got := decode(t, dst[:e.queue.take(dst).length]); len(got) != 2 || got[1].kind != kindError || !strings.Contains(got[1].payload, "UNAVAILABLE") {
		t.Errorf("completions %v", got)
	}
	if alk_close(env) != 0 || alk_close(env) != ebadf {
		t.Error("close")
	}
}

func TestPanicInAGoroutine(t *testing.T) {
	woken := make(chan struct{}, 1)
	e := newEnvironment(func() { woken <- struct{}{} })
	defer e.close()
	e.run(func() { panic("of a goroutine") })
	<-woken
	dst := make([]byte, 1<<16)
	got := decode(t, dst[:e.queue.take(dst).length])
	if len(got) != 1 || got[0].kind != kindLog {
		t.Fatalf("completions %v", got)
	}
	var record struct {
		Level, Message string
		Attributes     map[string]string
	}
	must(t, json.Unmarshal([]byte(got[0].payload), &record))
	if record.Level != "error" || record.Attributes["panic"] != "of a goroutine" || !strings.Contains(record.Attributes["stack"], "TestPanicInAGoroutine") {
		t.Errorf("record %+v", record)
	}
}

func TestInvoke(t *testing.T) {
	for _, c := range []struct{ name, input, want, code string }{
		{"version", "", `"abi":3`, ""},
		{"generateKey", "me", `"privateKey":"-----BEGIN OPENSSH`, ""},
		{"generateKey", "two\nlines", "", "INVALID_INPUT"},
		{"parseAddress", "tcp://h:1", `"port":1`, ""},
		{"parseAddress", "h", "", "INVALID_INPUT"},
		{"publicKey", "junk", "", "INVALID_INPUT"},
		{"publicKey", "-----BEGIN OPENSSH PRIVATE KEY-----\njunk", "", "INVALID_INPUT"},
		{"nonsense", "", "", "UNIMPLEMENTED"},
	} {
		answer, ok := invoke(c.name, []byte(c.input))
		if !json.Valid(answer) || ok != (c.code == "") || !strings.Contains(string(answer), c.want+c.code) {
			t.Errorf("%s(%q): %s", c.name, c.input, answer)
		}
	}
}
