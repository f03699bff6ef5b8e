package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

type vectors struct {
	Valid []struct {
		ID, Hex  string
		JSON     string
		Envelope struct {
			Type, ID string
			Payload  any
		}
		EncodeExact bool `json:"encode_exact"`
	}
	Malformed []struct{ ID, Hex, Error string }
}

func loadVectors(tb testing.TB) vectors {
	tb.Helper()
	data, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		tb.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	if len(v.Valid) != 6 || len(v.Malformed) != 15 {
		tb.Fatalf("%d valid and %d malformed vectors, want 6 and 15", len(v.Valid), len(v.Malformed))
	}
	return v
}

// readAll reads frames until the stream ends; a clean end is a nil error.
func readAll(r io.Reader, size int) ([]Envelope, error) {
	frames := NewReaderSize(r, DefaultMaxFrame, size)
	frames.grows = size == idleBuffer // as NewReader has it
	defer frames.Done()
	var all []Envelope
	for {
		body, err := frames.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		env, err := ParseEnvelope(body)
		if err != nil {
			return all, err
		}
		env.Payload = bytes.Clone(env.Payload)
		all = append(all, env)
	}
}

func TestVectors(t *testing.T) {
	v := loadVectors(t)
	for _, c := range v.Valid {
		raw, _ := hex.DecodeString(c.Hex)
		for _, size := range []int{16, 4096} {
			for name, r := range map[string]io.Reader{"whole": bytes.NewReader(raw), "bytewise": iotest.OneByteReader(bytes.NewReader(raw))} {
				got, err := readAll(r, size)
				if err != nil || len(got) != 1 {
					t.Fatalf("%s (%s): %d frames, error %v", c.ID, name, len(got), err)
				}
				var payload any
				if err := json.Unmarshal(got[0].Payload, &payload); err != nil {
					t.Fatal(err)
				}
				if got[0].Type != c.Envelope.Type || got[0].ID != c.Envelope.ID || !reflect.DeepEqual(payload, c.Envelope.Payload) {
					t.Errorf("%s (%s): got %+v, want %+v", c.ID, name, got[0], c.Envelope)
				}
				if again := AppendEnvelope(nil, got[0].Type, got[0].ID, got[0].Payload); c.EncodeExact && !bytes.Equal(again, raw) {
					t.Errorf("%s: encoded to %x, want %x", c.ID, again, raw)
				}
			}
		}
	}
	for _, c := range v.Malformed {
		raw, _ := hex.DecodeString(c.Hex)
		for _, size := range []int{16, 4096} {
			_, err := readAll(bytes.NewReader(raw), size)
			var bad *ProtocolError
			if !errors.As(err, &bad) || string(bad.Class) != c.Error {
				t.Errorf("%s: error %v, want class %s", c.ID, err, c.Error)
			}
		}
	}
}

func TestEnvelopeShape(t *testing.T) {
	long := strings.Repeat("x", MaxID)
	for _, c := range []struct{ body, want string }{
		{`{"type":"a","id":"1","payload":null,"more":[1,{"type":2}]}`, ""},
		{`{"type":"a","id":"` + long + `","payload":0}`, ""},
		{`{"type":"a","id":"` + long + `y","payload":0}`, "longer than 128"},
		{`{"type":"a","id":"1"}`, `"payload" is missing`},
		{`{"type":"a","payload":1}`, `"id" is missing`},
		{`{"type":1,"id":"1","payload":1}`, `"type" is not a string`},
		{`{"type":"a","id":null,"payload":1}`, `"id" is not a string`},
		{`{"type":"a","id":"1","payload":1,"payload":2}`, `"payload" occurs twice`},
		{`{"type":"a","id":"1","payload":1,"\u0069d":"2"}`, `"id" occurs twice`},
		{`{"type":"a","id":"1","payload":01}`, "not JSON"},
		{`{"type":"a","id":"1","payload":1.}`, "not JSON"},
		{`{"type":"a","id":"1","payload":"` + "\n" + `"}`, "not JSON"},
		{`{"type":"a","id":"1","payload":"\x"}`, "not JSON"},
		{`{"type":"a","id":"1","payload":[1,]}`, "not JSON"},
		{`{"type":"a","id":"1","payload":{"a":1,}}`, "not JSON"},
		{`{"type":"a","id":"1","payload":[}}`, "not JSON"},
		{`{"type":"a","id":"1","payload":1}x`, "bytes after"},
		{`"text"`, "not a JSON object"}, {``, "not JSON"}, {`{`, "not JSON"}, {`{}`, `"type" is missing`},
	} {
		_, err := ParseEnvelope([]byte(c.body))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.60s: error %v, want %q", c.body, err, c.want)
		}
	}
}

func TestNumbersPassUnchanged(t *testing.T) {
	const payload = `{"a":1e400,"b":18446744073709551615,"c":-0.0,"d":[ 1 ]}`
	env, err := ParseEnvelope(AppendEnvelope(nil, Responded, "1", []byte(payload))[4:])
	if err != nil || string(env.Payload) != payload {
		t.Fatalf("got %q, %v", env.Payload, err)
	}
}

func TestDepth(t *testing.T) {
	nested := func(n int) string {
		return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`[`, n%2) + strings.Repeat(`]`, n%2) + strings.Repeat(`]}`, n/2)
	}
	for _, c := range []struct {
		levels int
		ok     bool
	}{{MaxDepth, true}, {MaxDepth + 1, false}, {10_000, false}} {
		_, err := ParseEnvelope([]byte(`{"type":"a","id":"1","payload":` + nested(c.levels-1) + `}`))
		if c.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "512 levels") {
			t.Errorf("a frame of %d levels: %v", c.levels, err)
		}
	}
	for text, deep := range map[string]bool{
		nested(MaxDepth - 2): false, nested(MaxDepth - 1): true,
		`["` + strings.Repeat("[", 2000) + `"]`:                    false,
		`["\"` + strings.Repeat(",[]", 2000) + `,""[[` + `"]`:      false,
		`[` + strings.Repeat(`[],`, 2000) + nested(MaxDepth) + `]`: true,
	} {
		if TooDeep([]byte(text)) != deep {
			t.Errorf("%.40s of %d bytes: too deep is %v", text, len(text), !deep)
		}
	}
}

func TestIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		``: true, `1`: true, `!~`: true, `\u0061`: true, `a b`: false, `\u0000`: false, `\u007f`: false, `é`: false,
		`\ud800`: false, `\udc00`: false, `\udc00\ud800`: false, `\ud83d\ude00`: false,
	} {
		if _, err := ParseEnvelope([]byte(`{"type":"a","id":"` + id + `","payload":null}`)); (err == nil) != ok {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

func TestText(t *testing.T) {
	for raw, ok := range map[string]bool{
		`"\ud83d\ude00"`: true, `"\\ud800"`: true, `"\uD83D\uDE00x"`: true, `"\ud7ff\ue000"`: true,
		`"\ud800"`: false, `"\uDBFFx"`: false, `"\ud800\n"`: false, `"\ud83d\ud83d\ude00"`: false, `"\\\udfff"`: false, `1`: false,
	} {
		if _, got := Text([]byte(raw)); got != ok {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

func TestNames(t *testing.T) {
	var names Names
	for i := range 20 {
		if !names.Add([]byte(strings.Repeat("x", i))) {
			t.Errorf("name %d is taken for one that is there", i)
		}
	}
	for i := range 20 {
		if names.Add([]byte(strings.Repeat("x", i))) {
			t.Errorf("name %d is not found", i)
		}
	}
}

// A stranger who announces much and sends little must not make the node reserve it.
func TestAnnouncedLengthCostsNoMemory(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		most   uint64
	}{"4 GiB": {"\xff\xff\xff\xff", 128 << 10}, "16 MiB": {"\x01\x00\x00\x00", 512 << 10}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := NewReader(strings.NewReader(c.header+"{"), 0).Next()
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > c.most {
			t.Errorf("%s: reserved %d bytes", name, got)
		}
	}
}

// bursts gives one burst a read, as a socket does.
type bursts [][]byte

func (b *bursts) Read(p []byte) (int, error) {
	if len(*b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*b)[0])
	if (*b)[0] = (*b)[0][n:]; len((*b)[0]) == 0 {
		*b = (*b)[1:]
	}
	return n, nil
}

// A reader holds a large buffer only while more comes at a time than its own holds, and
// all frames come through, wherever the buffers change.
func TestReaderHoldsLittleWhileQuiet(t *testing.T) {
	frame := func(id, size int) []byte {
		return AppendEnvelope(nil, Responded, strconv.Itoa(id), []byte(`"`+strings.Repeat("x", size)+`"`))
	}
	var input bursts
	count := 0
	add := func(frames, size int) {
		var burst []byte
		for range frames {
			burst = append(burst, frame(count, size)...)
			count++
		}
		input = append(input, burst)
	}
	add(1, 100)           // its own buffer does
	busy := count         // from here on it needs the large one
	for range 3 * quiet { // also beside frames that come alone
		add(100, 100)        // more than its own buffer holds
		add(1, idleBuffer)   // a frame that does not fit it
		add(1, 2*readBuffer) // nor the large one
		add(1, 100)
	}
	last := count
	for range quiet + 1 {
		add(1, 100)
	}
	frames := NewReader(&input, 0)
	for i := range count {
		body, err := frames.Next()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		env, err := ParseEnvelope(body)
		if err != nil || env.ID != strconv.Itoa(i) {
			t.Fatalf("frame %d is %q, %v", i, env.ID, err)
		}
		if borrowed := frames.r != frames.own; borrowed != (i >= busy && i < last+quiet) && i != last+quiet-1 {
			t.Fatalf("frame %d of %d: a large buffer is held: %v", i, count, borrowed)
		}
	}
	if _, err := frames.Next(); err != io.EOF || frames.r != frames.own {
		t.Errorf("at the end: %v, a large buffer is held: %v", err, frames.r != frames.own)
	}
}

func TestLargeFrame(t *testing.T) {
	payload := []byte(`"` + strings.Repeat("é", 3<<20) + `"`)
	stream := AppendEnvelope(nil, Responded, "1", payload)
	stream = AppendEnvelope(stream, Completed, "2", []byte("{}"))
	got, err := readAll(iotest.HalfReader(bytes.NewReader(stream)), 4096)
	if err != nil || len(got) != 2 || !bytes.Equal(got[0].Payload, payload) || got[1].ID != "2" {
		t.Fatalf("%d frames, %v", len(got), err)
	}
}

func TestAppendText(t *testing.T) {
	for _, s := range []string{"", "plain", "q\"b\\n\n\r\t\x00\x1f", "é中🔑", "bad\xffutf8"} {
		var back string
		if err := json.Unmarshal(AppendText(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	}
}

// The scanner accepts exactly what encoding/json accepts, but for bad UTF-8.
func FuzzParseEnvelope(f *testing.F) {
	for _, s := range []string{`{"type":"a","id":"1","payload":{}}`, `[1,2.5e-3,"\u00e9",{"a":[]}]`, `{"payload" : null }`, `{"type":"a","type":"b"}`} {
		f.Add([]byte(s))
	}
	v := loadVectors(f)
	for _, c := range v.Malformed {
		raw, _ := hex.DecodeString(c.Hex)
		f.Add(raw[min(4, len(raw)):])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := scanner{data: body}
		whole := s.value()
		s.skipSpace()
		if s.deep {
			return // encoding/json takes more levels
		}
		if whole = whole && s.pos == len(body); whole != json.Valid(body) {
			t.Fatalf("scanner says %v, encoding/json %v", whole, !whole)
		}
		var items []json.RawMessage
		array := json.Unmarshal(body, &items) == nil && items != nil
		if n := 0; Items(body, func(item []byte) {
			if n++; array && string(items[n-1]) != string(item) {
				t.Fatalf("element %d is %q, want %q", n, item, items[n-1])
			}
		}) != array || array && n != len(items) {
			t.Fatalf("Items has seen %d elements, want %d", n, len(items))
		}
		env, err := ParseEnvelope(body)
		if err != nil {
			var bad *ProtocolError
			if !errors.As(err, &bad) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		again, err := ParseEnvelope(AppendEnvelope(nil, env.Type, env.ID, env.Payload)[4:])
		if err != nil || !reflect.DeepEqual(env, again) {
			t.Fatalf("%+v came back as %+v, %v", env, again, err)
		}
		if !Members(body, func(_, value []byte) {
			if !json.Valid(value) {
				t.Fatalf("member value %q", value)
			}
		}) {
			t.Fatal("Members refused an envelope")
		}
	})
}

func FuzzReader(f *testing.F) {
	v := loadVectors(f)
	for _, c := range v.Valid {
		raw, _ := hex.DecodeString(c.Hex)
		f.Add(raw)
	}
	for _, c := range v.Malformed {
		raw, _ := hex.DecodeString(c.Hex)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		small, errSmall := readAll(bytes.NewReader(stream), 16)
		large, errLarge := readAll(iotest.OneByteReader(bytes.NewReader(stream)), 4096)
		grown, errGrown := readAll(bytes.NewReader(stream), idleBuffer)
		if !reflect.DeepEqual(small, large) || (errSmall == nil) != (errLarge == nil) {
			t.Fatalf("the size of the buffer changed the result: %v, %v", errSmall, errLarge)
		}
		if !reflect.DeepEqual(small, grown) || (errSmall == nil) != (errGrown == nil) {
			t.Fatalf("a buffer that grows changed the result: %v, %v", errSmall, errGrown)
		}
	})
}

func BenchmarkParseEnvelope100B(b *testing.B)  { benchmark(b, 100, parse) }
func BenchmarkParseEnvelope1MB(b *testing.B)   { benchmark(b, 1_000_000, parse) }
func BenchmarkAppendEnvelope100B(b *testing.B) { benchmark(b, 100, encode) }
func BenchmarkAppendEnvelope1MB(b *testing.B)  { benchmark(b, 1_000_000, encode) }
func BenchmarkReader100B(b *testing.B)         { benchmark(b, 100, split) }

// hotPath prepares one operation on a frame; what it returns is measured.
type hotPath func(payload []byte) func() error

func parse(payload []byte) func() error {
	body := AppendEnvelope(nil, Responded, "17", payload)[HeaderSize:]
	return func() error {
		_, err := ParseEnvelope(body)
		return err
	}
}

func encode(payload []byte) func() error {
	var kept []byte
	return func() error {
		kept = AppendEnvelope(kept[:0], Responded, "17", payload)
		return nil
	}
}

// endless gives the same bytes again and again.
type endless struct {
	frame []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.frame[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.frame)
	}
	return n, nil
}

func split(payload []byte) func() error {
	frames := NewReader(&endless{frame: AppendEnvelope(nil, Responded, "17", payload)}, 0)
	return func() error {
		_, err := frames.Next()
		return err
	}
}

func output(size int) []byte {
	return []byte(`{"output":{"seq":1,"kind":"bench","data":"` + strings.Repeat("abcdefghij", size/10) + `"}}`)
}

func benchmark(b *testing.B, size int, prepare hotPath) {
	payload := output(size)
	run := prepare(payload)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
}

// Frames are split and written without an allocation, and read with one: the id.
func TestAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		prepare hotPath
		most    float64
	}{"parse": {parse, 1}, "encode": {encode, 0}, "split": {split, 0}} {
		run := c.prepare(output(100))
		if got := testing.AllocsPerRun(5000, func() {
			if err := run(); err != nil {
				t.Fatal(err)
			}
		}); got > c.most {
			t.Errorf("%s: %.0f allocations, at most %.0f are meant", name, got, c.most)
		}
	}
}
