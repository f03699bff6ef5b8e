package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/secret"
)

const phrase = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"

// job submits an operation on secrets and returns its answer: the result, or an
// error's code.
func (p *pipe) job(req int, name string, handle int, arguments string, input, second []byte) (result []byte, code string) {
	p.t.Helper()
	p.send(p.line(req, name, handle, arguments, input, second))
	return p.answer(req)
}

func (p *pipe) line(req int, name string, handle int, arguments string, input, second []byte) string {
	attach := func(data []byte) int64 {
		if len(data) == 0 {
			return 0
		}
		id, ok := p.env.attachments.add(bytes.Clone(data))
		if !ok {
			p.t.Error("no attachment")
		}
		return id
	}
	return fmt.Sprintf("secret\t%d\t%s\t%d\t%s\t%d\t%d", req, name, handle, arguments, attach(input), attach(second))
}

// answer waits for the end of a job, and takes its result.
func (p *pipe) answer(req int) (result []byte, code string) {
	p.t.Helper()
	for {
		i := slices.IndexFunc(p.ready, func(c completion) bool {
			return c.handle == int64(req) && (c.kind == kindResponded || c.kind == kindError)
		})
		if i < 0 {
			dst := make([]byte, 1<<16)
			if b := p.env.queue.take(dst); b.Length > 0 {
				p.ready = append(p.ready, decode(p.t, dst[:b.Length])...)
			} else {
				<-p.woken
			}
			continue
		}
		c := p.ready[i]
		p.ready = slices.Delete(p.ready, i, i+1)
		var told struct {
			Output [2]int64
			Code   string
		}
		must(p.t, json.Unmarshal([]byte(c.payload), &told))
		if c.kind == kindError {
			return nil, told.Code
		}
		result = make([]byte, told.Output[1])
		if told.Output[0] != 0 {
			if n, ok := p.env.keyring.take(told.Output[0], result); !ok || n != len(result) {
				p.t.Fatalf("result %v: %d %v", told.Output, n, ok)
			}
		}
		return result, ""
	}
}

func (p *pipe) do(name string, handle int64, arguments string, input []byte) []byte {
	p.t.Helper()
	answer, err := p.env.Secret(name, handle, []byte(arguments), input)
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	return answer
}

func TestSecretJobs(t *testing.T) {
	p := open(t)
	p.do("new", 1, `{}`, nil)
	if _, code := p.job(1, "unlock", 1, "", []byte("not a phrase"), nil); code != "INVALID_MNEMONIC" {
		t.Errorf("a phrase that is none: %q", code)
	}
	if _, code := p.job(2, "unlock", 1, "", []byte(phrase), []byte("passphrase")); code != "" {
		t.Fatalf("unlock: %q", code)
	}
	if _, code := p.job(3, "create", 1, `{"words":12}`, nil, nil); code != "ALREADY_UNLOCKED" {
		t.Errorf("create: %q", code)
	}
	p.do("derive", 1, `{"key":2,"path":"m/1'","type":"aes-256-gcm"}`, nil)
	sealed, code := p.job(4, "seal", 2, "", []byte("plaintext"), nil)
	if code != "" || string(p.do("open", 2, "", sealed)) != "plaintext" {
		t.Errorf("seal: %q", code)
	}
	for name, handle := range map[string]int{"nonsense": 1, "seal": 99, "unlock": 99} {
		if _, code := p.job(5, name, handle, "", []byte("x"), nil); code == "" {
			t.Errorf("%s of %d succeeded", name, handle)
		}
	}
	if p.env.Submit([]byte("secret\t6\tunlock\t1\t\tx\t0\n")) || p.env.Submit([]byte("secret\t6\tunlock\n")) {
		t.Error("a malformed command was taken")
	}
	if n := len(p.env.attachments.items); n != 0 || p.env.attachments.size != 0 {
		t.Errorf("%d attachments are left, %d bytes", n, p.env.attachments.size)
	}
}

// TestLockOvertakesUnlock locks in the same moment in which an unlock was begun, at
// some time while it runs, and after it.
func TestLockOvertakesUnlock(t *testing.T) {
	p := open(t)
	p.do("new", 1, `{}`, nil)
	for req := 1; req <= 24; req++ {
		p.send(p.line(req, "unlock", 1, "", []byte(phrase), nil))
		for wait := time.Now().Add(time.Duration(req%3) * time.Millisecond); time.Now().Before(wait); {
			p.do("status", 1, "", nil)
		}
		p.do("lock", 1, `{}`, nil)
		_, code := p.answer(req)
		if code != "" && code != "LOCKED" {
			t.Fatalf("unlock %d: %q", req, code)
		}
		if status := string(p.do("status", 1, "", nil)); !strings.Contains(status, `"state":"locked"`) {
			t.Fatalf("unlock %d ended with %q, and the store is %s", req, code, status)
		}
	}
}

// TestAbortedUnlockLeavesTheStoreLocked aborts at any time.
func TestAbortedUnlockLeavesTheStoreLocked(t *testing.T) {
	p := open(t)
	p.do("new", 1, `{}`, nil)
	for req := 1; req <= 24; req++ {
		p.send(p.line(req, "unlock", 1, "", []byte(phrase), nil))
		for wait := time.Now().Add(time.Duration(req%4) * 500 * time.Microsecond); time.Now().Before(wait); {
			p.do("status", 1, "", nil)
		}
		p.send(fmt.Sprintf("A\t%d\t", req))
		_, code := p.answer(req)
		locked := strings.Contains(string(p.do("status", 1, "", nil)), `"state":"locked"`)
		switch code {
		case "ABORTED":
			if !locked {
				t.Fatalf("unlock %d was aborted, and the store is unlocked", req)
			}
		case "": // it was over
			p.do("lock", 1, `{}`, nil)
		default:
			t.Fatalf("unlock %d: %q", req, code)
		}
	}
}

// TestForgottenWhileWaiting drops handles right behind the commands that name them, as
// JavaScript's collector does.
func TestForgottenWhileWaiting(t *testing.T) {
	p := open(t)
	p.do("new", 1, `{}`, nil)
	if _, code := p.job(1, "unlock", 1, "", []byte(phrase), nil); code != "" {
		t.Fatal(code)
	}
	p.do("derive", 1, `{"key":100,"path":"m/1'","type":"aes-256-gcm"}`, nil)
	p.do("derive", 1, `{"key":101,"path":"m/74'/0'","type":"ed25519"}`, nil)
	p.do("identity", 1, `{"identity":102,"path":"m/74'/0'/0'/0'"}`, nil)
	for range cap(jobSlots) { // nothing begins to compute
		jobSlots <- struct{}{}
	}
	p.send(p.line(2, "seal", 100, "", []byte("plaintext"), nil))
	p.send(p.line(3, "sshPrivateKey", 101, `{"comment":"c"}`, nil, nil))
	p.send("serve\t5\t{\"listen\":[\"tcp://127.0.0.1:0\"],\"identity\":102}")
	for _, handle := range []int64{100, 101, 102} {
		p.do("forget", handle, "", nil)
	}
	for range cap(jobSlots) {
		<-jobSlots
	}
	p.next(kindOpened)
	for _, req := range []int{2, 3} {
		if _, code := p.answer(req); code != "" {
			t.Errorf("job %d, whose key was dropped: %s", req, code)
		}
	}
	if _, err := p.env.Secret("seal", 100, nil, nil); err == nil {
		t.Error("a key that was dropped is still there")
	}
}

// TestClosingWipes closes an environment while stores are unlocked, used and being
// unlocked on many goroutines.
func TestClosingWipes(t *testing.T) {
	for range 4 {
		p := open(t)
		var held []*store
		for n := int64(1); n <= 8; n++ {
			p.do("new", n, `{}`, nil)
			held = append(held, p.env.keyring.target(n).store)
			p.send(p.line(int(n), "unlock", int(n), "", []byte(phrase), nil))
		}
		p.answer(1)
		p.do("derive", 1, `{"key":100,"path":"m/1'","type":"aes-256-gcm"}`, nil)
		var users sync.WaitGroup
		for n := range 4 {
			users.Go(func() {
				for {
					if _, err := p.env.Secret("seal", 100, nil, []byte("plaintext")); err != nil {
						return
					}
				}
			})
			p.send(p.line(50+n, "seal", 100, "", make([]byte, 100_000), nil))
		}
		p.env.Close()
		users.Wait()
		for n, s := range held {
			if status := s.Status(); status.State != secret.StateLocked || !status.Closed {
				t.Errorf("store %d is %+v", n+1, status)
			}
			if err := s.Unlock([]byte(phrase), nil); secret.CodeOf(err) != secret.Closed {
				t.Errorf("store %d: %v", n+1, err)
			}
		}
		result := []byte("secret")
		if p.env.keyring.keep(result) != 0 || !bytes.Equal(result, make([]byte, 6)) {
			t.Error("a result that came late was kept")
		}
		if _, err := p.env.Secret("new", 200, []byte(`{}`), nil); secret.CodeOf(err) != secret.Closed {
			t.Errorf("a new store in a closed environment: %v", err)
		}
	}
}

func TestResultsAreTakenOnce(t *testing.T) {
	k := newKeyring()
	result := []byte("secret")
	number := k.keep(result)
	if n, ok := k.take(number, make([]byte, 5)); ok || n != 6 {
		t.Errorf("taken into too little: %d %v", n, ok)
	}
	dst := make([]byte, 8)
	if n, ok := k.take(number, dst); !ok || n != 6 || string(dst[:6]) != "secret" || !bytes.Equal(result, make([]byte, 6)) {
		t.Errorf("taken: %d %v %q, left %q", n, ok, dst, result)
	}
	if _, ok := k.take(number, dst); ok {
		t.Error("taken twice")
	}
}

func TestAttachmentsHoldTheLargestSealedValue(t *testing.T) {
	var a attachments
	large := make([]byte, MaxAttachment)
	first, ok := a.add(large)
	if _, second := a.add(large); !ok || !second {
		t.Fatal("two of the largest do not fit")
	}
	data := []byte("secret")
	if _, ok := a.add(data); ok || !bytes.Equal(data, make([]byte, 6)) {
		t.Errorf("more bytes than allowed: %v %q", ok, data)
	}
	a.take(first)
	if _, ok := a.add([]byte("x")); !ok {
		t.Error("refused though there is room")
	}
}

func TestErrorsOfStoresKeepTheirCode(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &secret.Error{Code: secret.ResourceExhausted, Message: "used up"})
	if got := AsError(err); got.Code != "RESOURCE_EXHAUSTED" || got.Message != "used up" || got.Retryable {
		t.Errorf("%+v", got)
	}
	if got := AsError(errors.New("other")); got.Code != call.Internal {
		t.Errorf("%+v", got)
	}
}
