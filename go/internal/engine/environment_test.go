package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// pipe is an environment as JavaScript has it.
type pipe struct {
	t     testing.TB
	env   *Environment
	woken chan struct{}
	ready []completion
}

func open(t testing.TB) *pipe {
	p := &pipe{t: t, woken: make(chan struct{}, 1)}
	p.env = New(func() {
		select {
		case p.woken <- struct{}{}:
		default:
		}
	})
	t.Cleanup(p.env.Close)
	return p
}

func (p *pipe) send(lines ...string) {
	p.t.Helper()
	if !p.env.Submit([]byte(strings.Join(lines, "\n") + "\n")) {
		p.t.Fatalf("malformed: %q", lines)
	}
}

// next returns the next completion of the kind; others but log records must wait.
func (p *pipe) next(kind int) completion {
	p.t.Helper()
	for {
		if i := slices.IndexFunc(p.ready, func(c completion) bool { return c.kind == kind }); i >= 0 {
			c := p.ready[i]
			p.ready = slices.Delete(p.ready, i, i+1)
			return c
		}
		dst := make([]byte, 1<<20)
		if b := p.env.queue.take(dst); b.Length > 0 {
			p.ready = append(p.ready, decode(p.t, dst[:b.Length])...)
		} else {
			<-p.woken
		}
	}
}

func (p *pipe) wants(kind int, handle int64, payload string) {
	p.t.Helper()
	if c := p.next(kind); c.handle != handle || !strings.Contains(c.payload, payload) {
		p.t.Fatalf("completion %+v, want handle %d with %s", c, handle, payload)
	}
}

// world opens a head, node 1, and a connection to it, node 2.
func (p *pipe) world() {
	p.t.Helper()
	key, err := auth.GenerateKey()
	must(p.t, err)
	text, err := auth.MarshalPrivateKey(key, "test", nil)
	must(p.t, err)
	id, _ := p.env.attachments.add(text)
	var public struct{ PublicKey string }
	answer, _ := Invoke("publicKey", text)
	must(p.t, json.Unmarshal(answer, &public))
	address := "unix://" + filepath.Join(p.t.TempDir(), "s")
	p.send(fmt.Sprintf("serve\t1\t{\"listen\":[%q],\"authorizedKeys\":[%q]}", address, public.PublicKey))
	p.wants(kindOpened, 1, address[:7])
	p.send(fmt.Sprintf("connect\t2\t{\"address\":%q,\"key\":%d}", address, id))
	p.wants(kindOpened, 2, `"transport":"unix"`)
	if !bytes.Equal(text, make([]byte, len(text))) {
		p.t.Error("the key was not wiped")
	}
}

// empty reports what is left in the tables.
func (p *pipe) empty() string {
	e := p.env
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions.mu.Lock()
	defer e.sessions.mu.Unlock()
	e.incoming.mu.Lock()
	defer e.incoming.mu.Unlock()
	return fmt.Sprint(len(e.nodes), len(e.requests), len(e.handles), len(e.sessions.items), len(e.incoming.items), len(e.attachments.items))
}

func TestEveryCommand(t *testing.T) {
	p := open(t)
	p.world()
	p.send("handle\t1\t1\t{\"name\":\"/a/call\"}", "handle\t1\t2\t{\"name\":\"/a/events\",\"type\":\"subscription\"}", "handle\t1\t3\t{\"name\":\"/a/call\"}", "handle\t1\t4\t{")
	p.wants(kindCompleted, 1, "")
	p.wants(kindCompleted, 2, "")
	p.wants(kindError, 3, "CONFLICT")
	p.wants(kindError, 4, "INVALID_INPUT")

	p.send("C\tn2\t5\t/a/call\t\t{\"é\":1e400}")
	r := p.next(kindRequest)
	if !strings.Contains(r.payload, `{"é":1e400}`) {
		t.Errorf("request %s", r.payload)
	}
	p.send(fmt.Sprintf("R\t%d\t[12345678901234567890]", r.handle))
	p.wants(kindSettled, r.handle, "null")
	p.wants(kindResponded, 5, `{"output":[12345678901234567890]}`)

	p.send("C\tn2\t6\t/a/call\t\tnull")
	r = p.next(kindRequest)
	p.send(fmt.Sprintf("F\t%d\t{\"code\":\"MINE\",\"message\":\"no\",\"retryable\":true}", r.handle), fmt.Sprintf("R\t%d\t1", r.handle))
	p.wants(kindError, 6, `"MINE"`)
	p.wants(kindSettled, r.handle, "null")

	p.send("S\tn2\t7\t/a/events\t{\"window\":2}\tnull")
	r = p.next(kindRequest)
	p.send(fmt.Sprintf("E\t%d\t1", r.handle), fmt.Sprintf("E\t%d\t2", r.handle))
	p.wants(kindEvent, 7, `{"output":1}`)
	p.wants(kindEvent, 7, `{"output":2}`)
	p.send("K\t7\t2")
	p.wants(kindCredit, r.handle, "2")
	p.send(fmt.Sprintf("D\t%d", r.handle))
	p.wants(kindCompleted, 7, "")
	p.wants(kindSettled, r.handle, "null")

	p.send("C\tn2\t8\t/a/call\t\tnull")
	r = p.next(kindRequest)
	p.send("A\t8\t\"enough\"")
	p.wants(kindError, 8, "ABORTED")
	p.wants(kindCancelled, r.handle, `"ABORTED"`)
	p.send(fmt.Sprintf("R\t%d\t1", r.handle)) // too late, and harmless

	// More events than there is room for.
	p.send("S\tn2\t9\t/a/events\t{\"window\":1}\tnull")
	r = p.next(kindRequest)
	p.send(fmt.Sprintf("E\t%d\t1", r.handle), fmt.Sprintf("E\t%d\t2", r.handle))
	p.wants(kindError, 9, "RESOURCE_EXHAUSTED")
	p.wants(kindCancelled, r.handle, "more events than")

	// From the head to the client, and after the end of the session.
	session := p.next(kindSessionOpened)
	p.send("handle\t2\t10\t{\"name\":\"/b/call\"}")
	p.wants(kindCompleted, 10, "")
	p.send(fmt.Sprintf("C\ts%d\t11\t/b/call\t\t1", session.handle))
	r = p.next(kindRequest)
	p.send(fmt.Sprintf("R\t%d\t2", r.handle))
	p.wants(kindResponded, 11, `{"output":2}`)
	p.send("unhandle\t2\t/b/call", fmt.Sprintf("C\ts%d\t12\t/b/call\t\t1", session.handle))
	p.wants(kindError, 12, "NOT_FOUND")
	p.send("C\tn2\t13\t/a/call\t\tnull")
	r = p.next(kindRequest)
	p.send(fmt.Sprintf("closeSession\t%d\t\"bye\"", session.handle))
	p.wants(kindError, 13, "UNAVAILABLE")
	p.wants(kindCancelled, r.handle, `"UNAVAILABLE"`)
	ended := p.next(kindSessionClosed)
	if ended.handle != session.handle { // the client's own, whose end may come first
		ended = p.next(kindSessionClosed)
	}
	if ended.handle != session.handle || !strings.Contains(ended.payload, `"node":1`) {
		t.Errorf("the head's session: %+v", ended)
	}
	p.wants(kindDisconnected, 2, "UNAVAILABLE")
	for i, target := range []string{fmt.Sprintf("s%d", session.handle), "s0", "n2", "n77", "n1"} {
		p.send(fmt.Sprintf("C\t%s\t%d\t/a/call\t\tnull", target, 20+i))
		p.wants(kindError, int64(20+i), "UNAVAILABLE")
	}
	p.send("close\t2\t", "close\t1\t{\"drain\":1}", "close\t77\t")
	closed := map[int64]string{}
	for range 3 {
		c := p.next(kindClosed)
		closed[c.handle] = c.payload
	}
	if fmt.Sprint(closed) != "map[1:null 2:null 77:null]" {
		t.Errorf("closed %v", closed)
	}
	// Nodes, requests, handles, sessions, incoming, attachments: the client's session is
	// forgotten by a goroutine of its own.
	for p.empty() != "0 0 0 0 0 0" {
		runtime.Gosched()
	}
}

func TestMalformedCommands(t *testing.T) {
	p := open(t)
	for _, line := range []string{
		"", "x", "C", "C\t", "C\tn1", "C\tn1\t1", "C\tn1\t1\t/a/b", "C\tn1\tone\t/a/b\t\tnull", "C\tn1\t0\t/a/b\t\tnull", "C\tn1\t-1\t/a/b\t\tnull",
		"K\t1", "K\t1\t0", "K\t1\tx", "A\t1", "handle\t1", "handle\t1\t1", "unhandle\t1", "connect", "connect\t1", "serve\tx\t{}", "close\t1", "closeSession\t0\t", "R", "R\t1", "E\t1", "F\t1", "D",
		"K\t99999999999999999999\t1", "c\tn1\t1\t/a/b\t\tnull",
	} {
		if line != "" && p.env.Submit([]byte(line+"\n")) {
			t.Errorf("%q was taken", line)
		}
	}
	// The others of a batch are carried out.
	if p.env.Submit([]byte("nonsense\nC\tn9\t1\t/a/b\t\tnull\n\nK\t1\n")) {
		t.Error("a malformed command was not reported")
	}
	p.wants(kindError, 1, "UNAVAILABLE")
	// A target that is none, and options that are no object.
	for i, target := range []string{"", "n", "x1", "n-", "n1x"} {
		p.send(fmt.Sprintf("C\t%s\t%d\t/a/b\t\tnull", target, 2+i))
		p.wants(kindError, int64(2+i), "")
	}
	p.send("connect\t1\t[", "serve\t2\t5", "connect\t3\t{\"address\":\"x\"}", "serve\t4\t{\"listen\":[\"x\"]}")
	for range 4 {
		p.next(kindFailed)
	}
	p.send("close\t1\tnonsense")
	p.wants(kindClosed, 1, "null")
}

func TestCloseWithEverythingOpen(t *testing.T) {
	p := open(t)
	p.world()
	p.send("handle\t1\t1\t{\"name\":\"/a/hang\"}")
	p.wants(kindCompleted, 1, "")
	for i := range 50 {
		p.send(fmt.Sprintf("C\tn2\t%d\t/a/hang\t\tnull", 10+i))
	}
	for range 50 {
		p.next(kindRequest)
	}
	p.env.attachments.add([]byte("secret"))
	p.env.Close()
	if left := p.empty(); !strings.HasPrefix(left, "0 0") {
		t.Errorf("left in nodes, requests, handles, sessions, incoming, attachments: %s", left)
	}
	p.send("C\tn2\t99\t/a/hang\t\tnull", "connect\t5\t{\"address\":\"unix:///nowhere\"}")
}

// Whatever JavaScript writes, the engine answers with completions that it can read.
func FuzzSubmit(f *testing.F) {
	for _, seed := range []string{
		"C\tn1\t1\t/a/b\t{\"timeout\":5}\tnull\n", "S\ts1\t2\t/a/b\t{\"window\":-1}\t{}\n", "K\t1\t9223372036854775807\n", "A\t1\t\"x\"\n", "A\t1\tx\n",
		"handle\t1\t3\t{\"name\":\"/a/b\",\"inputSchema\":{\"type\":[]}}\n", "R\t1\tnull\nE\t1\tnull\nD\t1\nF\t1\t{}\n", "close\t1\t{\"drain\":-1}\n", "closeSession\t1\t\"x\"\n", "\t\t\n\n", "C\tn\xff\t1\t/\xff\t\t\xff\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, batch []byte) {
		e := New(func() {})
		defer e.Close()
		// Nothing is dialled, and nothing listens.
		e.mu.Lock()
		e.closed = true
		e.nodes[1] = &endpoint{registry: call.NewRegistry(), cancel: func() {}}
		e.mu.Unlock()
		e.Submit(batch)
		dst := make([]byte, 1<<22)
		if b := e.queue.take(dst); b.Length > 0 {
			decode(t, dst[:b.Length])
		}
	})
}

// A request that is stopped while it is being delivered is cancelled after it was
// delivered: the other way round its handler would run for ever.
func TestCancelledWhileDelivered(t *testing.T) {
	p := open(t)
	p.world()
	p.send("handle\t1\t1\t{\"name\":\"/a/hang\"}")
	p.wants(kindCompleted, 1, "")
	input := `"` + strings.Repeat("x", 8<<10) + `"` // not handled by the goroutine that reads
	const requests = 300
	for i := range requests {
		p.send(fmt.Sprintf("C\tn2\t%d\t/a/hang\t\t%s", 10+i, input), fmt.Sprintf("A\t%d\t", 10+i))
		p.wants(kindError, int64(10+i), "ABORTED")
	}
	// Its answer comes behind the aborts.
	p.send("C\tn2\t5\t/echo/echo\t\tnull")
	p.wants(kindResponded, 5, "null")
	delivered := map[int64]bool{}
	for {
		for _, c := range p.ready {
			switch c.kind {
			case kindRequest:
				delivered[c.handle] = true
			case kindCancelled:
				if !delivered[c.handle] {
					t.Fatalf("request %d was cancelled before it was delivered", c.handle)
				}
				delete(delivered, c.handle)
			}
		}
		p.ready = nil
		p.env.incoming.mu.Lock()
		running := len(p.env.incoming.items)
		p.env.incoming.mu.Unlock()
		dst := make([]byte, 1<<20)
		b := p.env.queue.take(dst)
		if b.Length > 0 {
			p.ready = decode(t, dst[:b.Length])
		} else if running == 0 && len(delivered) == 0 {
			return
		} else {
			<-p.woken
		}
	}
}
