package engine

import (
	"encoding/binary"
	"strconv"
	"sync"

	"github.com/alkdev/alknet/go/internal/call"
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
	buf    []byte        // "kind,handle,payload," after each other
	ends   []int         // where each completion ends in buf
	credit map[int64]int // to tell of with the next poll, by incoming request
	order  []int64       // of those requests
	start  int           // what was polled of buf already
	first  int           // index into ends of the first one that waits
	awake  bool          // wake was called, and the queue was not empty since
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
	if kind == kindCancelled || kind == kindSettled {
		delete(q.credit, handle) // its number may soon be another request's
	}
	q.append(kind, handle, build)
}

// addCredit tells of credit for an incoming request. What comes until the next poll is
// one completion: a caller's frames do not make the queue grow.
func (q *queue) addCredit(handle int64, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.credit == nil {
		q.credit = map[int64]int{}
	}
	before, waits := q.credit[handle]
	if !waits {
		q.order = append(q.order, handle)
	}
	q.credit[handle] = min(before+n, call.MaxWindow)
}

// grant queues the credit. Called with q.mu held.
func (q *queue) grant() {
	for _, handle := range q.order {
		if n := q.credit[handle]; n > 0 { // else it has ended, or was ahead in the order
			delete(q.credit, handle)
			q.append(kindCredit, handle, func(dst []byte) []byte { return strconv.AppendInt(dst, int64(n), 10) })
		}
	}
	q.order = q.order[:0]
}

// append queues a completion. Called with q.mu held.
func (q *queue) append(kind int, handle int64, build func(dst []byte) []byte) {
	q.buf = append(strconv.AppendInt(q.buf, int64(kind), 10), ',')
	q.buf = append(strconv.AppendInt(q.buf, handle, 10), ',')
	q.buf = append(build(q.buf), ',')
	q.ends = append(q.ends, len(q.buf))
}

// maxQueue is how many bytes may wait for JavaScript before requests of other nodes are
// rejected: while it is busy, requests that are sent and stopped in turn would add up.
const maxQueue = 64 << 20

// full reports whether JavaScript has more to read than it should be given.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.buf)-q.start > maxQueue
}

func (q *queue) addRaw(kind int, handle int64, payload []byte) {
	q.add(kind, handle, func(dst []byte) []byte { return append(dst, payload...) })
}

// wake calls wakeUp if completions wait and it was not called for them yet. It runs
// under the lock, so that it is never called after close has returned.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.awake || q.first == len(q.ends) && len(q.order) == 0 {
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
	if len(q.order) > 0 {
		q.grant()
	}
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
	q.credit, q.order = nil, nil
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
