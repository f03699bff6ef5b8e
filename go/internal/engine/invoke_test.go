package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPanicInAGoroutine(t *testing.T) {
	woken := make(chan struct{}, 1)
	e := New(func() { woken <- struct{}{} })
	defer e.Close()
	e.run(func() { panic("of a goroutine") })
	<-woken
	dst := make([]byte, 1<<16)
	got := decode(t, dst[:e.queue.take(dst).Length])
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
		{"version", "", `"abi":5`, ""},
		{"generateKey", "me", `"privateKey":"-----BEGIN OPENSSH`, ""},
		{"generateKey", "two\nlines", "", "INVALID_INPUT"},
		{"parseAddress", "tcp://h:1", `"port":1`, ""},
		{"parseAddress", "h", "", "INVALID_INPUT"},
		{"publicKey", "junk", "", "INVALID_INPUT"},
		{"publicKey", "-----BEGIN OPENSSH PRIVATE KEY-----\njunk", "", "INVALID_INPUT"},
		{"nonsense", "", "", "UNIMPLEMENTED"},
	} {
		answer, ok := Invoke(c.name, []byte(c.input))
		if !json.Valid(answer) || ok != (c.code == "") || !strings.Contains(string(answer), c.want+c.code) {
			t.Errorf("%s(%q): %s", c.name, c.input, answer)
		}
	}
}
