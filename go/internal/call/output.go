package call

import (
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/alkdev/alknet/go/internal/wire"
)

const (
	// keepBuffer is the largest write buffer kept for the next batch.
	keepBuffer = 1 << 20
	// smallBuffer is what is kept for good; a larger one goes after quietBatches in a
	// row that would have fitted it.
	smallBuffer  = 4 << 10
	quietBatches = 16
)

// output gathers frames for one stream and writes them in batches: whoever adds a
// frame while a write is under way leaves it to the writer.
type output struct {
	session *Session
	w       io.Writer
	finish  func() // closes the stream after the last byte; nil for the main stream
	refused func() // called when the other side stops reading it; nil for the main stream

	mu     sync.Mutex
	idle   sync.Cond // signalled when busy becomes false
	buf    []byte    // frames that wait
	spare  []byte    // the other half of the double buffer
	busy   bool      // somebody writes, or is about to
	ending bool      // finish once buf is empty
	broken bool      // a write failed: drop everything
	held   bool      // leave what waits until hold(false)
	batch  uint64    // numbers the contents of buf
	light  int       // how many batches in a row were small

	credit  []*outgoing // whose credit goes with the next batch, once each
	aborted []*outgoing // whose abort waits: they count until it is written
	leaving []*outgoing // whose abort is in the batch that is being written
}

func newOutput(s *Session, w io.Writer, finish func()) *output {
	o := &output{session: s, w: w, finish: finish}
	o.idle.L = &o.mu
	return o
}

// add queues one frame; it is sent by the next flush or kick.
func (o *output) add(typ, id string, payload []byte) {
	o.mu.Lock()
	before := len(o.buf)
	if !o.broken {
		o.buf = wire.AppendEnvelope(o.buf, typ, id, payload)
	}
	added := len(o.buf) - before
	o.mu.Unlock()
	o.session.addQueued(added)
}

// addBuilt is add for a payload that build appends in place. A frame that is larger
// than the other side takes is not queued, and fits is false.
func (o *output) addBuilt(typ, id string, build func(dst []byte) []byte) (fits bool) {
	o.mu.Lock()
	before := len(o.buf)
	fits = true
	if !o.broken {
		o.buf = wire.BeginEnvelope(o.buf, typ, id)
		o.buf = wire.EndEnvelope(build(o.buf), before)
		if len(o.buf)-before > o.session.peer.Load().MaxFrame+wire.HeaderSize {
			o.buf, fits = o.buf[:before], false
		}
	}
	added := len(o.buf) - before
	o.mu.Unlock()
	o.session.addQueued(added)
	return fits
}

// addCredit has n more events granted with the next batch. A request has one frame of
// credit in it, however often credit was given.
func (o *output) addCredit(to *outgoing, n int) {
	o.mu.Lock()
	if !o.broken {
		if to.grant == 0 {
			o.credit = append(o.credit, to)
		}
		to.grant = int32(min(int(to.grant)+n, MaxWindow))
	}
	o.mu.Unlock()
}

// grant appends the credit that waits. Called with o.mu held.
func (o *output) grant() {
	before := len(o.buf)
	for i, to := range o.credit {
		at := len(o.buf)
		o.buf = wire.BeginEnvelope(o.buf, wire.Credit, o.session.idText(to.id))
		o.buf = append(strconv.AppendInt(append(o.buf, `{"n":`...), int64(to.grant), 10), '}')
		o.buf = wire.EndEnvelope(o.buf, at)
		to.grant, o.credit[i] = 0, nil
	}
	o.credit = o.credit[:0]
	o.session.queued.Add(int64(len(o.buf) - before))
}

// addAborted queues call.aborted. request, if it is there, counts until that is written.
func (o *output) addAborted(id, reason string, request *outgoing) {
	o.addBuilt(wire.Aborted, id, func(dst []byte) []byte {
		if request != nil {
			o.aborted = append(o.aborted, request)
			o.forgive(request)
		}
		if reason == "" {
			return append(dst, "{}"...)
		}
		return append(wire.AppendText(append(dst, `{"reason":`...), reason), '}')
	})
}

// forgive drops the credit of a request that is stopped. Called with o.mu held.
func (o *output) forgive(request *outgoing) {
	if request.grant > 0 {
		request.grant = 0
		o.credit = slices.DeleteFunc(o.credit, func(other *outgoing) bool { return other == request })
	}
}

// flush writes what waits on the calling goroutine, unless another one does.
func (o *output) flush() {
	if o.claim() {
		runtime.Gosched() // let handlers that are ready add their answers to this batch
		o.run()
	}
}

// kick has what waits written by another goroutine. It never blocks.
func (o *output) kick() {
	if o.claim() {
		go o.run()
	}
}

// hold keeps flush and kick from writing; hold(false) has what gathered meanwhile
// written. It does not block.
func (o *output) hold(on bool) {
	o.mu.Lock()
	was := o.held
	o.held = on
	o.mu.Unlock()
	if was && !on && o.claim() {
		go func() {
			runtime.Gosched() // after the handlers that are ready
			o.run()
		}()
	}
}

func (o *output) claim() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || o.held || len(o.buf) == 0 && len(o.credit) == 0 && !o.ending {
		return false
	}
	o.busy = true
	return true
}

// flushEagerly writes what waits on the calling goroutine where that cannot block,
// and else has it written by another one.
func (o *output) flushEagerly() {
	if !o.claim() {
		return
	}
	if link, ok := o.w.(EagerLink); ok && o.tryWrite(link) {
		return
	}
	go o.run()
}

// tryWrite writes one batch and gives up the claim, unless there is more to do.
func (o *output) tryWrite(link EagerLink) bool {
	o.mu.Lock()
	full := o.take()
	o.mu.Unlock()
	ok, err := link.TryWrite(full)
	if !ok {
		o.mu.Lock()
		o.buf = append(full, o.buf...)
		o.mu.Unlock()
		return false
	}
	o.wrote(full, err)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) > 0 || len(o.credit) > 0 || o.ending {
		return false
	}
	o.busy = false
	o.idle.Broadcast()
	return true
}

// take returns what waits, as the next batch. Called with o.mu held.
func (o *output) take() []byte {
	if len(o.credit) > 0 {
		o.grant()
	}
	full := o.buf
	o.buf = o.spare[:0]
	o.spare = nil
	o.leaving = append(o.leaving, o.aborted...)
	o.aborted = o.aborted[:0]
	o.batch++
	return full
}

// wrote accounts for a batch that was written, or not.
func (o *output) wrote(full []byte, err error) {
	dropped := len(full)
	o.mu.Lock()
	if o.light++; len(full) > smallBuffer {
		o.light = 0
	}
	if cap(full) <= smallBuffer || cap(full) <= keepBuffer && o.light < quietBatches {
		o.spare = full
	}
	if err != nil {
		o.broken = true
		dropped += len(o.buf)
		o.buf, o.credit = nil, nil
	}
	left := o.leaving
	o.leaving = nil
	o.mu.Unlock()
	o.session.addQueued(-dropped)
	if left != nil {
		o.session.left(left)
	}
	if err != nil {
		o.session.writeFailed(o, err)
		if o.refused != nil {
			o.refused()
		}
	}
}

func (o *output) run() {
	o.mu.Lock()
	for (len(o.buf) > 0 || len(o.credit) > 0) && !o.broken {
		full := o.take()
		o.mu.Unlock()
		_, err := o.w.Write(full)
		o.wrote(full, err)
		o.mu.Lock()
	}
	ending := o.ending
	o.ending = false
	o.busy = false
	o.idle.Broadcast()
	o.mu.Unlock()
	if ending && o.finish != nil {
		o.finish()
	}
}

// end closes the stream after what waits has been written.
func (o *output) end() {
	o.mu.Lock()
	o.ending = true
	o.mu.Unlock()
	o.kick()
}

// abandon drops what waits: the stream is reset or the session is over.
func (o *output) abandon() {
	o.mu.Lock()
	dropped := len(o.buf)
	o.buf, o.credit, o.broken = nil, nil, true
	o.idle.Broadcast()
	o.mu.Unlock()
	o.session.addQueued(-dropped)
}

// drain waits until nothing waits any more. It returns at once when broken.
func (o *output) drain() {
	o.kick()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.broken && (o.busy || len(o.buf) > 0 || len(o.credit) > 0) {
		o.idle.Wait()
	}
}

// current returns the number of the batch that the next frame joins, and whether
// the batch before it is still being written.
func (o *output) current() (batch uint64, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.batch, o.busy
}
