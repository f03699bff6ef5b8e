package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// decode reads a batch as JavaScript does.
func decode(t testing.TB, text []byte) []completion {
	t.Helper()
	var flat []json.RawMessage
	if err := json.Unmarshal(text, &flat); err != nil {
		t.Fatalf("batch %.200q: %v", text, err)
	}
	if len(flat)%3 != 0 {
		t.Fatalf("batch of %d elements", len(flat))
	}
	var all []completion
	for i := 0; i < len(flat); i += 3 {
		c := completion{payload: string(flat[i+2])}
		must(t, json.Unmarshal(flat[i], &c.kind))
		must(t, json.Unmarshal(flat[i+1], &c.handle))
		all = append(all, c)
	}
	return all
}

type completion struct {
	kind    int
	handle  int64
	payload string
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Credit that comes before a poll is one completion a request, behind the request itself;
// what has ended gets none.
func TestQueueMergesCredit(t *testing.T) {
	woken := 0
	q := &queue{wakeUp: func() { woken++ }}
	q.addRaw(kindRequest, 1, []byte("[]"))
	for range 1000 {
		q.addCredit(1, 2)
		q.addCredit(2, 1)
	}
	q.addCredit(3, 9)
	q.addRaw(kindCancelled, 3, []byte("{}"))
	q.addCredit(4, 1)
	q.addRaw(kindSettled, 4, []byte("null"))
	q.addRaw(kindRequest, 4, []byte("[]")) // its number again
	dst := make([]byte, 1000)
	want := "[{7 1 []} {8 3 {}} {16 4 null} {7 4 []} {9 1 2000} {9 2 1000}]"
	if got := fmt.Sprint(decode(t, dst[:q.take(dst).Length])); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if q.wake(); woken != 0 {
		t.Error("woken for nothing")
	}
	q.addCredit(2, 1)
	if q.wake(); woken != 1 {
		t.Error("not woken for credit alone")
	}
	if got := fmt.Sprint(decode(t, dst[:q.take(dst).Length])); got != "[{9 2 1}]" {
		t.Error(got)
	}
	if q.full() {
		t.Error("an empty queue is full")
	}
	q.addRaw(kindRequest, 1, make([]byte, maxQueue+1))
	if !q.full() {
		t.Error("a queue of 64 MiB is not full")
	}
}

func TestQueueGivesWhatFits(t *testing.T) {
	q := &queue{wakeUp: func() {}}
	var want []completion
	for i := range 100 {
		c := completion{kindEvent, int64(i), fmt.Sprintf(`{"output":%q}`, strings.Repeat("x", i))}
		want = append(want, c)
		q.addRaw(c.kind, c.handle, []byte(c.payload))
	}
	var got []completion
	dst := make([]byte, 400)
	for n := 0; ; n++ {
		b := q.take(dst)
		if b.Needed != 0 {
			t.Fatalf("batch %d needs %d bytes, of %d", n, b.Needed, len(dst))
		}
		if b.Length == 0 {
			break
		}
		if !b.ASCII {
			t.Errorf("batch %d is not taken for ASCII", n)
		}
		got = append(got, decode(t, dst[:b.Length])...)
		if b.More != (len(got) < len(want)) {
			t.Errorf("more is %v after %d of %d", b.More, len(got), len(want))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v", got)
	}
}

func TestQueueAsksForRoom(t *testing.T) {
	q := &queue{wakeUp: func() {}}
	q.addRaw(kindEvent, 1, []byte(`"é"`))
	for size := range 20 {
		dst := make([]byte, size)
		b := q.take(dst)
		if b.Needed == 0 {
			if b.ASCII || decode(t, dst[:b.Length])[0].payload != `"é"` {
				t.Errorf("batch %q, ascii %v", dst[:b.Length], b.ASCII)
			}
			return
		}
		if b.Length != 0 || b.Needed <= size {
			t.Fatalf("with %d bytes: %+v", size, b)
		}
		// Exactly what it asks for is enough.
		if size == 0 {
			if again := q.take(make([]byte, b.Needed-1)); again.Needed != b.Needed {
				t.Fatalf("one byte less: %+v", again)
			}
		}
	}
	t.Fatal("it never fits")
}

// One wake-up from empty to empty, however much is added meanwhile.
func TestQueueWakesOnce(t *testing.T) {
	woken := 0
	q := &queue{wakeUp: func() { woken++ }}
	wants := func(n int) {
		t.Helper()
		if woken != n {
			t.Fatalf("woken %d times, want %d", woken, n)
		}
	}
	q.wake()
	wants(0)
	for range 3 {
		q.addRaw(kindCompleted, 1, emptyObject)
		q.wake()
	}
	wants(1)
	q.take(make([]byte, 12)) // the first one only
	q.addRaw(kindCompleted, 1, emptyObject)
	q.wake()
	wants(1)
	q.take(make([]byte, 1000))
	q.addRaw(kindCompleted, 1, emptyObject)
	q.wake()
	wants(2)
	q.close()
	q.addRaw(kindCompleted, 1, emptyObject)
	q.wake()
	wants(2)
	if b := q.take(make([]byte, 1000)); b.Length != 0 || b.More {
		t.Errorf("a closed queue gave %+v", b)
	}
}

// After close has returned nobody is woken: what wakes may be freed.
func TestQueueIsSilentOnceClosed(t *testing.T) {
	for range 200 {
		var mu sync.Mutex
		closed := false
		q := &queue{wakeUp: func() {
			mu.Lock()
			defer mu.Unlock()
			if closed {
				t.Error("woken after close")
			}
		}}
		var adders sync.WaitGroup
		for range 4 {
			adders.Go(func() {
				for range 20 {
					q.addRaw(kindCompleted, 1, emptyObject)
					q.wake()
					q.take(make([]byte, 64))
				}
			})
		}
		q.close()
		mu.Lock()
		closed = true
		mu.Unlock()
		adders.Wait()
	}
}

func TestQueueLetsGoOfMemory(t *testing.T) {
	q := &queue{wakeUp: func() {}}
	q.addRaw(kindEvent, 1, []byte(`"`+strings.Repeat("x", 2*keepQueue)+`"`))
	q.take(make([]byte, 3*keepQueue))
	if cap(q.buf) > keepQueue {
		t.Errorf("%d bytes are kept", cap(q.buf))
	}
}

func TestIsASCII(t *testing.T) {
	for n := range 40 {
		text := []byte(strings.Repeat("a", n))
		if !isASCII(text) {
			t.Errorf("%q", text)
		}
		for i := range text {
			text[i] = 0x80
			if isASCII(text) {
				t.Errorf("%q", text)
			}
			text[i] = 'a'
		}
	}
}

// A queue that is polled all the time and never empty keeps to its size.
func TestQueueThatIsNeverEmpty(t *testing.T) {
	q := &queue{wakeUp: func() {}}
	payload := []byte(`"` + strings.Repeat("x", 1000) + `"`)
	const backlog, turn = 1000, 9
	added, taken, dst := int64(0), int64(0), make([]byte, 10_000) // room for a turn
	add := func(n int) {
		for range n {
			q.addRaw(kindEvent, added, payload)
			added++
		}
	}
	for add(backlog); added < 100*backlog; add(turn) {
		b := q.take(dst)
		for _, c := range decode(t, dst[:b.Length]) {
			if c.handle != taken {
				t.Fatalf("got %d, want %d", c.handle, taken)
			}
			taken++
		}
		if !b.More || cap(q.buf) > 8*keepQueue {
			t.Fatalf("after %d: more %v, %d bytes are held", added, b.More, cap(q.buf))
		}
	}
}
