package trace

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting spans may wait for the collector; more are dropped.
	maxWaiting = 4096
	// maxBatch spans are sent at once.
	maxBatch = 512
	// interval is how long a span waits for others.
	interval = 2 * time.Second
	// exportTime bounds one batch.
	exportTime = 10 * time.Second
)

// Config configures a Tracer. Endpoint is required.
type Config struct {
	// Endpoint is the collector's URL for traces, as in
	// http://127.0.0.1:4318/v1/traces.
	Endpoint string
	// Headers go along with each batch.
	Headers map[string]string
	// Ratio is the part of traces that begin here which are recorded, 0 to 1. For those
	// that come from elsewhere, their callers have decided.
	Ratio float64
	// Node and Version name this node.
	Node, Version string
	// Logger is told, once a minute at most, that batches are lost; nil discards.
	Logger *slog.Logger
}

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	cfg     Config
	poster  *poster
	waiting chan *Span
	stop    chan struct{}
	done    chan struct{}
	closing sync.Once
	dropped atomic.Uint64
	sent    atomic.Uint64
	told    time.Time // when the log was last told; of the sending goroutine
	cancel  context.CancelFunc
	ctx     context.Context
}

// New starts a tracer. Close ends it. The error is about the endpoint or the headers.
func New(cfg Config) (*Tracer, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	poster, err := newPoster(cfg.Endpoint, cfg.Headers)
	if err != nil {
		return nil, err
	}
	t := &Tracer{cfg: cfg, poster: poster, waiting: make(chan *Span, maxWaiting), stop: make(chan struct{}), done: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	go t.run()
	return t, nil
}

// Kind is what a span is of.
type Kind int

// The kinds, by OTLP's numbers.
const (
	Internal Kind = 1 // one handler's request of another
	Server   Kind = 2 // a request of another node
)

// Span is one request. Its methods are for one goroutine.
type Span struct {
	tracer  *Tracer
	context Context
	parent  [8]byte // zero for the first of its trace
	name    string
	kind    Kind
	begun   time.Time
	ended   time.Time
	remote  bool   // it was passed on to another node
	code    string // "" is well
}

// Start begins a span under the caller's traceparent; one that is malformed, or "",
// begins a trace.
func (t *Tracer) Start(traceparent, name string, kind Kind) *Span {
	s := &Span{tracer: t, name: name, kind: kind, begun: time.Now()}
	if parent, ok := Parse(traceparent); ok {
		s.parent, s.context = parent.SpanID, parent.child()
	} else {
		s.context = newContext(t.cfg.Ratio)
	}
	return s
}

// Context is what goes along with whatever the span's request leads to.
func (s *Span) Context() Context { return s.context }

// End ends the span; code is why the request failed, "" where it did not. passedOn
// says that another node answered it.
func (s *Span) End(code string, passedOn bool) {
	if !s.context.Sampled {
		return
	}
	s.ended, s.code, s.remote = time.Now(), code, passedOn
	select {
	case s.tracer.waiting <- s:
	default:
		s.tracer.dropped.Add(1)
	}
}

// Sent and Dropped return how many spans the collector has taken, and how many are
// lost.
func (t *Tracer) Sent() uint64    { return t.sent.Load() }
func (t *Tracer) Dropped() uint64 { return t.dropped.Load() }

// Close sends what waits, until ctx ends, and ends the tracer. Spans that end
// afterwards are dropped.
func (t *Tracer) Close(ctx context.Context) {
	t.closing.Do(func() { close(t.stop) })
	select {
	case <-t.done:
	case <-ctx.Done():
		t.cancel()
		<-t.done
	}
	t.cancel()
}

func (t *Tracer) run() {
	defer close(t.done)
	var batch []*Span
	timer := time.NewTicker(interval)
	defer timer.Stop()
	for {
		select {
		case s := <-t.waiting:
			if batch = append(batch, s); len(batch) < maxBatch {
				continue
			}
		case <-timer.C:
		case <-t.stop:
			for {
				select {
				case s := <-t.waiting:
					batch = append(batch, s)
					continue
				default:
				}
				break
			}
			for len(batch) > 0 && t.ctx.Err() == nil {
				n := min(len(batch), maxBatch)
				t.send(batch[:n])
				batch = batch[n:]
			}
			t.dropped.Add(uint64(len(batch)))
			return
		}
		if len(batch) > 0 {
			t.send(batch)
			batch = nil
		}
	}
}

// send gives a batch to the collector, once.
func (t *Tracer) send(batch []*Span) {
	ctx, cancel := context.WithTimeout(t.ctx, exportTime)
	defer cancel()
	err := t.poster.post(ctx, appendBatch(nil, &t.cfg, batch))
	if err == nil {
		t.sent.Add(uint64(len(batch)))
		return
	}
	t.dropped.Add(uint64(len(batch)))
	if time.Since(t.told) >= time.Minute && t.ctx.Err() == nil {
		t.told = time.Now()
		t.cfg.Logger.Warn("traces are lost: the collector does not take them", "endpoint", t.cfg.Endpoint, "error", err, "lost", t.dropped.Load())
	}
}
