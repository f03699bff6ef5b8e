package pipe

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner is what a host is to the engine's process.
type owner struct {
	t     *testing.T
	in    *os.File // the engine's stdin
	out   *os.File
	ended chan error
	told  []string // batches of completions that came before an answer
}

func start(t *testing.T) *owner {
	in, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o := &owner{t: t, in: write, out: read, ended: make(chan error, 1)}
	t.Cleanup(func() {
		write.Close()
		read.Close()
	})
	go func() {
		err := Serve(in, out)
		in.Close()
		out.Close()
		o.ended <- err
	}()
	return o
}

func (o *owner) send(frames ...[]byte) {
	o.t.Helper()
	if _, err := o.in.Write(bytes.Join(frames, nil)); err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner) receive() frame {
	o.t.Helper()
	var header [headerSize]byte
	if _, err := io.ReadFull(o.out, header[:]); err != nil {
		o.t.Fatal(err)
	}
	f := frame{header[4], make([]byte, binary.BigEndian.Uint32(header[:]))}
	if _, err := io.ReadFull(o.out, f.body); err != nil {
		o.t.Fatal(err)
	}
	return f
}

func (o *owner) greet() {
	o.t.Helper()
	o.send(hello(engine.ABIVersion, ""))
	if f := o.receive(); f.kind != typeHello || !bytes.Equal(f.body, hello(engine.ABIVersion, engine.Version)[headerSize:]) {
		o.t.Fatalf("the engine greets with %q", f.body)
	}
}

// ask sends a message and returns its answer.
func (o *owner) ask(kind byte, body string) (status byte, answer string) {
	o.t.Helper()
	o.send(encoded(kind, body))
	for {
		f := o.receive()
		if f.kind == typeAnswer {
			return f.body[0], string(f.body[1:])
		}
		if f.kind != typeCompletions || !json.Valid(f.body) {
			o.t.Fatalf("%q of type %q", f.body, f.kind)
		}
		o.told = append(o.told, string(f.body))
	}
}

func (o *owner) operate(handle uint64, name, arguments, input string) string {
	o.t.Helper()
	status, answer := o.ask(typeSecret, operationBody(handle, name, arguments, input))
	if status != answerOK {
		o.t.Fatalf("%s: %s", name, answer)
	}
	return answer
}

const phrase = "test test test test test test test test test test test junk"

func TestServe(t *testing.T) {
	o := start(t)
	o.greet()
	if status, answer := o.ask(typeInvoke, "\x07version"); status != answerOK || !strings.Contains(answer, `"abi":`) {
		t.Errorf("version: %d %s", status, answer)
	}
	if status, answer := o.ask(typeInvoke, "\x04none"); status != answerFailed || !strings.Contains(answer, `"UNIMPLEMENTED"`) {
		t.Errorf("an operation that is not there: %d %s", status, answer)
	}
	o.operate(1, "new", "{}", "")
	o.operate(1, "observe", "true", "")
	_, attachment := o.ask(typeAttach, phrase)
	o.send(encoded(typeBatch, "secret\t1\tunlock\t1\t\t"+attachment+"\t0\n"))
	for f := o.receive(); !bytes.Contains(f.body, []byte("[0,0]")); {
		f = o.receive() // of the audit
	}
	public := o.operate(1, "derive", `{"key":2,"path":"m/0'","type":"ed25519"}`, "")
	if len(public) != 32+len("m/0'") {
		t.Errorf("the public key and the path have %d bytes", len(public))
	}
	if status, answer := o.ask(typeSecret, operationBody(9, "sign", "", "x")); status != answerFailed || !json.Valid([]byte(answer)) {
		t.Errorf("a key that is not there: %d %s", status, answer)
	}

	// A result is taken once.
	o.send(encoded(typeBatch, "secret\t2\tsign\t2\t\t0\t0\n"))
	f := o.receive()
	for !bytes.Contains(f.body, []byte("[3,2,")) {
		f = o.receive()
	}
	one := string(binary.BigEndian.AppendUint64(nil, 1))
	if status, signature := o.ask(typeTake, one); status != answerOK || len(signature) != 64 {
		t.Errorf("the signature: %d with %d bytes", status, len(signature))
	}
	if status, _ := o.ask(typeTake, one); status != answerRefused {
		t.Errorf("a result that was taken: %d", status)
	}

	// What an operation at once has caused is told before its answer.
	o.told = nil
	o.operate(1, "lock", "{}", "")
	if len(o.told) != 1 || !strings.Contains(o.told[0], `"action":"lock"`) {
		t.Errorf("before the answer came %q", o.told)
	}

	o.in.Close()
	if err := <-o.ended; err != nil {
		t.Errorf("at the end of its stdin: %v", err)
	}
}

func TestServeAttachmentsAreBounded(t *testing.T) {
	o := start(t)
	o.greet()
	status := byte(answerOK)
	for n := 0; status == answerOK; n++ {
		if n > 1000 {
			t.Fatal("it takes any number")
		}
		status, _ = o.ask(typeAttach, "key")
	}
	if status != answerRefused {
		t.Errorf("one too many: %d", status)
	}
}

func TestServeEnds(t *testing.T) {
	batch := encoded(typeBatch, "close\t1\t\n")
	for name, c := range map[string]struct {
		stream []byte
		want   string // "" for no error
	}{
		"another version":            {hello(engine.ABIVersion+1, ""), fmt.Sprintf("this engine speaks version %d of the messages and its owner version %d: both must be of one release", engine.ABIVersion, engine.ABIVersion+1)},
		"a greeting that is none":    {encoded(typeHello, "alknet"), errMalformed.Error()},
		"commands without one":       {batch, errMalformed.Error()},
		"nothing at all":             {nil, "has not said which version it is"},
		"a second greeting":          {append(hello(engine.ABIVersion, ""), hello(engine.ABIVersion, "")...), errMalformed.Error()},
		"an operation that is short": {append(hello(engine.ABIVersion, ""), encoded(typeSecret, "short")...), errMalformed.Error()},
		"a number that is short":     {append(hello(engine.ABIVersion, ""), encoded(typeTake, "short")...), errMalformed.Error()},
		"the end of a frame's half":  {append(hello(engine.ABIVersion, ""), batch[:7]...), errTorn.Error()},
		"the end":                    {append(hello(engine.ABIVersion, ""), batch...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := Serve(bytes.NewReader(c.stream), &out)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("it ends with %v, want %q", err, c.want)
			}
		})
	}
}

// The owner reads nothing any more, but holds stdin open: the engine ends all the same.
func TestServeEndsWhenItsOutputIsBroken(t *testing.T) {
	o := start(t)
	o.greet()
	o.out.Close()
	o.send(encoded(typeBatch, "connect\t1\t{}\n")) // fails, which is told
	if err := <-o.ended; err == nil {
		t.Error("a broken stdout is no error")
	}
}

// remembering keeps every slice that it was given to read into or to write.
type remembering struct {
	in   io.Reader
	mu   sync.Mutex
	seen [][]byte
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.remember(p[:n])
	return n, err
}

func (r *remembering) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte(magic)) && p[4] == typeAnswer {
		r.remember(p)
	}
	return len(p), nil
}

func (r *remembering) remember(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, p)
}

func TestServeWipesFrames(t *testing.T) {
	stream := bytes.Join([][]byte{
		hello(engine.ABIVersion, ""),
		encoded(typeAttach, "canary of an attachment"),
		encoded(typeSecret, operationBody(0, "validateMnemonic", "", "canary of an input")),
		encoded(typeSecret, operationBody(0, "validateMnemonic", "", phrase)), // answered with "english"
		encoded(typeSecret, operationBody(0, "generateMnemonic", `{"words":12,"wordlist":"english"}`, "")),
		encoded(typeInvoke, "\x0bgenerateKeycanary of a comment"),
	}, nil)
	in, out := &remembering{in: bytes.NewReader(stream)}, &remembering{}
	if err := Serve(in, out); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if len(out.seen) != 5 {
		t.Fatalf("it has answered %d times, want 5", len(out.seen))
	}
	for _, p := range out.seen {
		if len(bytes.Trim(p, "\x00")) > 0 {
			t.Errorf("an answer is left: %q", p)
		}
	}
	for _, p := range in.seen {
		if bytes.Contains(p, []byte("canary")) || bytes.Contains(p, []byte("junk")) {
			t.Errorf("a message is left: %q", p)
		}
	}
}
