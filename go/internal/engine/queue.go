package engine

import (
	"encoding/binary"
	"strconv"
	"sync"
)

// The kinds of completions; docs/ABI.md lists what each carries.
const (
	kindOpened = iota + 1
	kindFailed
	kindResponded
	kindEvent
	kindCompleted
	kindError
	kindRequest
	kindCancelled
	kindCredit
	kindDisconnected
	kindReconnected
	kindClosed
	kindSessionOpened
	kindSessionClosed
	kindLog
	kindSettled
	kindAudit
	kindWarning
	kindLeft
)

// queue gathers completions until JavaScript polls, and wakes it once when it
// begins to have some.
type queue struct {
	mu     sync.Mutex
	buf    []byte // "kind,handle,payload," after each other
	ends   []int  // where each completion ends in buf
	start  int    // what was polled of buf already
	first  int    // index into ends of the first one that waits
	awake  bool   // wake was called, and the queue was not empty since
	closed bool
	wakeUp func()
}

// keepQueue is the largest buffer that is kept once the queue is empty.
const keepQueue = 1 << 20

// add queues a completion; build appends the payload. JavaScript is woken by the
// next call of wake.
func (q *queue) add(kind int, handle int64, build func(dst []byte) []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.buf = append(strconv.AppendInt(q.buf, int64(kind), 10), ',')
	q.buf = append(strconv.AppendInt(q.buf, handle, 10), ',')
	q.buf = append(build(q.buf), ',')
	q.ends = append(q.ends, len(q.buf))
}

func (q *queue) addRaw(kind int, handle int64, payload []byte) {
	q.add(kind, handle, func(dst []byte) []byte { return append(dst, payload...) })
}

// wake calls wakeUp if completions wait and it was not called for them yet. It runs
// under the lock, so that it is never called after close has returned.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.awake || q.first == len(q.ends) {
		return
	}
	q.awake = true
	q.wakeUp()
}

// Batch says what Poll has written.
type Batch struct {
	Length int  // bytes written; 0 when nothing waits
	Needed int  // not 0: the first completion needs a buffer of so many bytes
	ASCII  bool // every byte is below 0x80
	More   bool // completions are left
}

// take moves as many completions as fit into dst, as one JSON array.
func (q *queue) take(dst []byte) Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first == len(q.ends) {
		q.awake = false
		return Batch{}
	}
	last := q.first
	for last < len(q.ends) && 1+q.ends[last]-q.start <= len(dst) { // '[' before, and the last ',' becomes ']'
		last++
	}
	if last == q.first {
		return Batch{Needed: 1 + q.ends[q.first] - q.start}
	}
	end := q.ends[last-1]
	dst[0] = '['
	n := 1 + copy(dst[1:], q.buf[q.start:end])
	dst[n-1] = ']'
	q.start, q.first = end, last
	result := Batch{Length: n, ASCII: isASCII(dst[:n]), More: last < len(q.ends)}
	q.compact()
	if !result.More {
		q.start, q.first, q.ends, q.buf = 0, 0, q.ends[:0], q.buf[:0]
		if cap(q.buf) > keepQueue {
			q.buf, q.ends = nil, nil
		}
		q.awake = false
	}
	return result
}

// compact moves what waits to the front once most of a large buffer was polled: a
// queue that is never empty must not grow for ever. Called with q.mu held.
func (q *queue) compact() {
	if q.start < keepQueue || q.start < len(q.buf)/2 {
		return
	}
	n := copy(q.buf, q.buf[q.start:])
	q.buf = q.buf[:n]
	waiting := copy(q.ends, q.ends[q.first:])
	q.ends = q.ends[:waiting]
	for i := range q.ends {
		q.ends[i] -= q.start
	}
	q.start, q.first = 0, 0
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.buf, q.ends, q.start, q.first = nil, nil, 0, 0
	q.mu.Unlock()
}

// isASCII looks at eight bytes at a time.
func isASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
