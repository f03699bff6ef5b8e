package pipe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/alkdev/alknet/go/internal/engine"
)

func encoded(kind byte, body string) []byte {
	f := newFrame(kind, len(body))
	copy(f[headerSize:], body)
	return f
}

// operationBody is the body of a frame of type secret.
func operationBody(handle uint64, name, arguments, input string) string {
	b := binary.BigEndian.AppendUint64(nil, handle)
	b = append(append(b, byte(len(name))), name...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(arguments)))
	return string(b) + arguments + input
}

func TestReadFrame(t *testing.T) {
	large := strings.Repeat("x", 3*pieceSize+1)
	stream := bytes.Join([][]byte{
		encoded(typeBatch, "close\t1\t\n"), encoded(typeAttach, ""), encoded(typeBatch, large), encoded(typeSecret, large), encoded(typeTake, "12345678"),
	}, nil)
	in := iotest.HalfReader(bytes.NewReader(stream))
	for _, want := range []frame{
		{typeBatch, []byte("close\t1\t\n")}, {typeAttach, nil}, {typeBatch, []byte(large)}, {typeSecret, []byte(large)}, {typeTake, []byte("12345678")},
	} {
		f, err := readFrame(in)
		if err != nil || f.kind != want.kind || !bytes.Equal(f.body, want.body) {
			t.Fatalf("a frame of type %q with %d bytes came as %q with %d, %v", want.kind, len(want.body), f.kind, len(f.body), err)
		}
	}
	if _, err := readFrame(in); err != io.EOF {
		t.Errorf("the end of the stream is %v", err)
	}
}

func TestReadFrameRefuses(t *testing.T) {
	header := func(kind byte, length uint32) []byte { return append(binary.BigEndian.AppendUint32(nil, length), kind) }
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"a type that is unknown":           {header('x', 0), `a message is malformed: both sides must be of one release (type 'x')`},
		"a type of the other side":         {header(typeCompletions, 0), "type 'C'"},
		"a batch that is too long":         {header(typeBatch, maxBatch+1), "has 2147483648 bytes: want at most 2147483647"},
		"an attachment that is too long":   {header(typeAttach, engine.MaxAttachment+1), "want at most"},
		"an operation that is too long":    {header(typeSecret, maxInput+1), "want at most"},
		"an invocation that is too long":   {header(typeInvoke, maxInput+1), "want at most"},
		"a result's number too long":       {header(typeTake, 9), "has 9 bytes: want at most 8"},
		"a greeting that is too long":      {header(typeHello, uint32(helloSize)+1), "want at most"},
		"a stream that ends in a header":   {header(typeTake, 8)[:3], "in the middle"},
		"a stream that ends before a body": {header(typeTake, 8), "in the middle"},
		"a stream that ends in a body":     {append(header(typeTake, 8), 1), "in the middle"},
		"a stream that ends in a batch":    {append(header(typeBatch, maxBatch), 1), "in the middle"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readFrame(bytes.NewReader(c.stream))
			if err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it is %v, want %q", err, c.want)
			}
		})
	}
}

// Bytes that never come take no memory, up to one piece or the largest input.
func TestReadFrameReserves(t *testing.T) {
	measure := func(kind byte, length uint32) uint64 {
		stream := append(binary.BigEndian.AppendUint32(nil, length), kind)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := readFrame(bytes.NewReader(stream)); err == nil {
			t.Fatal("a frame without a body was read")
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if got := measure(typeBatch, maxBatch); got > 4*pieceSize {
		t.Errorf("a batch of 2 GiB of which nothing came took %d bytes", got)
	}
	if got := measure(typeSecret, 1<<31); got > pieceSize {
		t.Errorf("an operation of 2 GiB took %d bytes before it was refused", got)
	}
}

func TestOperationOf(t *testing.T) {
	good := operationBody(7, "sign", `{"a":1}`, "input")
	o, ok := operationOf(frame{typeSecret, []byte(good)})
	if !ok || o.handle != 7 || o.name != "sign" || string(o.arguments) != `{"a":1}` || string(o.input) != "input" {
		t.Errorf("%+v, %v", o, ok)
	}
	o, ok = operationOf(frame{typeInvoke, []byte("\x07versioninput")})
	if !ok || o.name != "version" || string(o.input) != "input" {
		t.Errorf("%+v, %v", o, ok)
	}
	for cut := range len(good) - len("input") {
		if o, ok := operationOf(frame{typeSecret, []byte(good[:cut])}); ok {
			t.Errorf("cut to %d bytes it is %+v", cut, o)
		}
	}
	for _, body := range []string{"", "\x01", "\xffversion"} {
		if o, ok := operationOf(frame{typeInvoke, []byte(body)}); ok {
			t.Errorf("%q is %+v", body, o)
		}
	}
	if _, ok := operationOf(frame{typeSecret, []byte(operationBody(1<<63, "sign", "", ""))}); ok {
		t.Error("a handle beyond 2⁵³ was taken")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(hello(engine.ABIVersion, "")) // what an owner says is without a text
	f.Add(append(encoded(typeBatch, "close\t1\t\n"), encoded(typeAttach, "key")...))
	f.Add(encoded(typeSecret, operationBody(1, "new", "{}", "")))
	f.Add(encoded(typeInvoke, "\x07version"))
	f.Add(encoded(typeTake, "\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, typeBatch, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := bytes.NewReader(stream)
		var again []byte
		for {
			read, err := readFrame(in)
			if err != nil {
				break
			}
			again = append(again, encoded(read.kind, string(read.body))...)
			versionOf(read)
			if read.kind == typeTake {
				numberOf(read.body)
			}
			if read.kind != typeSecret && read.kind != typeInvoke {
				continue
			}
			if o, ok := operationOf(read); ok && read.kind == typeSecret {
				if want := operationBody(uint64(o.handle), o.name, string(o.arguments), string(o.input)); want != string(read.body) {
					t.Fatalf("%q was read as %+v", read.body, o)
				}
			}
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatalf("%q was read as %q", stream, again)
		}
	})
}
