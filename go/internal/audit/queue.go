package audit

import (
	"os"
	"sync"
	"time"
)

const (
	// maxWaiting is how many lines may wait to be written; what does not fit is lost and
	// counted. Whoever is recorded never waits for the file.
	maxWaiting = 4096
	// reportEvery is how often lost events are reported.
	reportEvery = time.Minute
	// closeTimeout is how long Close waits for lines that wait.
	closeTimeout = time.Second
)

// queue writes lines on one goroutine, which runs while there are some.
type queue struct {
	onLost func(n uint64, err error) // set by Log.start, as is idle.L

	mu       sync.Mutex
	file     *os.File // nil: lines are dropped
	lines    []line
	running  bool
	writing  *os.File  // where a write is under way
	idle     sync.Cond // signalled when nothing is to be written
	total    uint64    // events that were lost
	lost     uint64    // of them, since the last report
	cause    error     // of the last one
	reported time.Time
	reporter *time.Timer // of a report that is due later
	reports  sync.WaitGroup
}

// line is one line of the file, and how many events it stands for.
type line struct {
	text   []byte
	events uint64
}

// add enters a line, without waiting.
func (q *queue) add(l line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.file == nil {
		return
	}
	if len(q.lines) >= maxWaiting {
		q.lose(l.events, errFull)
		return
	}
	q.lines = append(q.lines, l)
	if !q.running {
		q.running = true
		go q.write()
	}
}

func (q *queue) write() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.lines) > 0 && q.file != nil {
		l, file := q.lines[0], q.file
		q.lines[0] = line{}
		q.lines = q.lines[1:]
		q.writing = file
		q.mu.Unlock()
		_, err := file.Write(l.text) // one write: lines of several processes do not mix
		q.mu.Lock()
		q.writing = nil
		if q.file != file { // swapped meanwhile
			_ = file.Close()
		}
		if err != nil {
			q.lose(l.events, err)
		}
	}
	q.lines = nil
	q.running = false
	q.idle.Broadcast()
}

// lose counts events that were not written, and reports the number now, or when a minute
// has passed since the last report. Called with q.mu held.
func (q *queue) lose(events uint64, err error) {
	q.total += events
	q.lost += events
	q.cause = err
	if q.onLost == nil || q.reporter != nil {
		return
	}
	wait := max(0, reportEvery-time.Since(q.reported))
	if q.reported.IsZero() {
		wait = 0
	}
	q.reports.Add(1)
	q.reporter = time.AfterFunc(wait, q.report)
}

func (q *queue) report() {
	defer q.reports.Done()
	q.mu.Lock()
	n, cause := q.lost, q.cause
	q.lost, q.reporter, q.reported = 0, nil, time.Now()
	q.mu.Unlock()
	q.onLost(n, cause)
}

// swap goes on in another file, nil for none, and closes the present one: now, or when
// the write that is under way there has ended.
func (q *queue) swap(next *os.File) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	old := q.file
	q.file = next
	if old == nil || old == q.writing {
		return nil
	}
	return old.Close()
}

// flush waits until everything is written, for at most d.
func (q *queue) flush(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	late := false
	timer := time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		late = true
		q.idle.Broadcast()
	})
	defer timer.Stop()
	for q.running && !late {
		q.idle.Wait()
	}
}

// stop makes a report that is due later come now, and waits for one that is under way.
func (q *queue) stop() {
	q.mu.Lock()
	due := q.reporter != nil && q.reporter.Stop()
	q.mu.Unlock()
	if due {
		q.report()
	}
	q.reports.Wait()
}
