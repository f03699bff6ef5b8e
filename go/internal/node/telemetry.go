package node

import (
	"maps"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/metrics"
	"github.com/alkdev/alknet/go/internal/route"
	"github.com/alkdev/alknet/go/internal/trace"
)

// telemetry is what a server tells of itself: figures, spans and the record of who
// did what. It implements call.Observer. None of it holds an input or an output.
type telemetry struct {
	set    metrics.Set
	audit  *audit.Log
	tracer *trace.Tracer // nil when nothing is traced

	inFlight   atomic.Int64
	mu         sync.Mutex
	operations atomic.Pointer[map[string]*operationFigures] // replaced as a whole, under mu
	requests   *metrics.Counters
	durations  *metrics.Histograms
	refused    *metrics.Counters
	rejected   *metrics.Counters
	turnedAway *metrics.Counters
	opened     *metrics.Counters
	revoked    *metrics.Counters
	reloads    *metrics.Counters
	reloaded   atomic.Int64 // Unix seconds
}

// operationFigures are those of one operation, kept so that a request does not look
// for them by labels.
type operationFigures struct {
	duration *metrics.Histogram
	ok       *metrics.Counter
}

// maxFigures bounds the operations that have figures of their own; workers may
// register ever new names.
const maxFigures = 500

// manyOperations is what the others count under.
const manyOperations = "other"

// buckets are the upper ends of the histogram's, in seconds: from a call within the
// machine to one that takes its time.
var buckets = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}

func newTelemetry(version string, log *audit.Log, tracer *trace.Tracer) *telemetry {
	t := &telemetry{audit: log, tracer: tracer}
	t.operations.Store(&map[string]*operationFigures{})
	s := &t.set
	begun := time.Now()
	s.GaugeBy("alknet_build_info", "The version, as a label; the value is 1.", "version", func() map[string]float64 { return map[string]float64{version: 1} })
	s.Gauge("process_start_time_seconds", "When the node was started, in Unix seconds.", func() float64 { return float64(begun.UnixMilli()) / 1000 })
	s.Gauge("go_goroutines", "Goroutines that exist.", func() float64 { return float64(runtime.NumGoroutine()) })
	s.Gauge("go_memstats_heap_alloc_bytes", "Bytes of allocated heap objects.", heapAlloc)
	t.requests = s.Counters("alknet_requests_total", "Requests of other nodes that have ended, by operation and code.", "operation", "code")
	t.durations = s.Histograms("alknet_request_duration_seconds", "How long requests of other nodes took, subscriptions included.", buckets, "operation")
	t.refused = s.Counters("alknet_requests_refused_total", "Requests that were refused before an operation was found for them, by code.", "code")
	s.Gauge("alknet_requests_in_flight", "Requests of other nodes that have not ended.", func() float64 { return float64(t.inFlight.Load()) })
	t.opened = s.Counters("alknet_sessions_opened_total", "Sessions that were opened, by transport.", "transport")
	t.revoked = s.Counters("alknet_sessions_revoked_total", "Sessions that were ended because their credential is not accepted any more.")
	t.rejected = s.Counters("alknet_auth_rejected_total", "Credentials that were refused, by method and reason.", "method", "reason")
	t.turnedAway = s.Counters("alknet_connections_turned_away_total", "Connections that were not let in, by reason.", "reason")
	t.reloads = s.Counters("alknet_config_reloads_total", "Times that the configuration was read again, by result.", "result")
	s.Gauge("alknet_config_last_reload_timestamp_seconds", "When the configuration in force was read, in Unix seconds.", func() float64 { return float64(t.reloaded.Load()) })
	s.CounterOf("alknet_audit_lost_total", "Events that could not be written to the audit file.", log.Lost)
	if tracer != nil {
		s.CounterOf("alknet_trace_spans_sent_total", "Spans that the collector has taken.", tracer.Sent)
		s.CounterOf("alknet_trace_spans_dropped_total", "Spans that are lost.", tracer.Dropped)
	}
	return t
}

func heapAlloc() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// follow adds the figures of a head.
func (t *telemetry) follow(h *Head) {
	t.set.GaugeBy("alknet_sessions", "Sessions that are open, by transport.", "transport", func() map[string]float64 {
		open := map[string]float64{}
		for _, s := range h.Sessions() {
			open[s.Transport]++
		}
		return open
	})
	t.set.Gauge("alknet_connections", "Connections over networks, those included that are being opened.", func() float64 { return float64(h.gate.Connections()) })
	t.set.Gauge("alknet_requests_waiting", "Requests to other nodes that wait until those have room.", func() float64 { return float64(h.waiting.Load()) })
	t.set.Gauge("alknet_requests_kept_bytes", "Bytes that the requests of other nodes keep.", func() float64 { return float64(h.kept.Used()) })
	t.set.Gauge("alknet_nodes", "Nodes that are registered.", func() float64 { return float64(h.table.Len()) })
}

// count is on the way of every answer, on a goroutine whose stack is small as long as
// nothing makes it grow: what is rare is in functions of its own.
func (t *telemetry) count(r *call.Request, err *call.Error) {
	f := (*t.operations.Load())[r.Operation()]
	if f == nil {
		f = t.figures(r.Operation())
	}
	f.duration.Observe(r.Elapsed().Seconds())
	if err == nil {
		f.ok.Add(1)
	} else {
		t.failed(r, err)
	}
}

// figures makes those of an operation, and returns them.
func (t *telemetry) figures(operation string) *operationFigures {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := *t.operations.Load()
	if len(known) >= maxFigures {
		operation = manyOperations
	}
	if found := known[operation]; found != nil {
		return found
	}
	made := &operationFigures{duration: t.durations.With(operation), ok: t.requests.With(operation, "OK")}
	next := maps.Clone(known)
	next[operation] = made
	t.operations.Store(&next)
	return made
}

// otherCode is the label of codes that an operation does not declare: another node may
// send any, and labels are kept for good.
const otherCode = "other"

func (t *telemetry) failed(r *call.Request, err *call.Error) {
	operation := r.Operation()
	if (*t.operations.Load())[operation] == nil {
		operation = manyOperations
	}
	code := string(err.Code)
	if !r.Expects(err.Code) {
		code = otherCode
	}
	t.requests.With(operation, code).Add(1)
}

// Began implements call.Observer.
func (t *telemetry) Began(r *call.Request) {
	kind := trace.Internal
	if r.Session() != nil {
		kind = trace.Server
		t.inFlight.Add(1)
	}
	if t.tracer != nil {
		span := t.tracer.Start(r.MetadataValue(trace.Key), r.Operation(), kind)
		r.SetMetadataValue(trace.Key, span.Context().String())
		r.SetObservation(span)
	}
}

// Ended implements call.Observer.
func (t *telemetry) Ended(r *call.Request, err *call.Error) {
	code := ""
	if err != nil {
		code = string(err.Code)
	}
	if span, ok := r.Observation().(*trace.Span); ok {
		span.End(code, r.Remote())
	}
	if r.Session() == nil {
		return
	}
	t.inFlight.Add(-1)
	t.count(r, err)
	if audited(r.Operation(), code) {
		t.record(r, code)
	}
}

func (t *telemetry) record(r *call.Request, code string) {
	e := audit.Event{Event: "request", Address: r.Session().Origin(), Operation: r.Operation(), Code: code}
	if id := r.Identity(); id != nil {
		e.Identity = id.ID
	}
	if refusedFor(code) {
		t.audit.RecordRepeated(e) // one caller can cause any number
		return
	}
	t.audit.Record(e)
}

// refusedFor reports whether a request was refused for who made it.
func refusedFor(code string) bool {
	return code == string(call.Forbidden) || code == string(call.Unauthenticated)
}

// Refused implements call.Observer.
func (t *telemetry) Refused(_ *call.Session, err *call.Error) {
	t.refused.With(string(err.Code)).Add(1)
}

// audited reports whether a request belongs in the record: those that change the
// node or use its secrets, and those that were refused for who made them.
func audited(operation, code string) bool {
	if refusedFor(code) {
		return true
	}
	for _, prefix := range []string{"/head/services/", "/head/config/", "/secrets/"} {
		if strings.HasPrefix(operation, prefix) {
			return true
		}
	}
	return false
}

func (t *telemetry) onReject(r Rejection) {
	t.rejected.With(r.Method, r.Reason).Add(1)
	t.audit.RecordRepeated(audit.Event{Event: "credential.refused", Identity: r.Claimed, Address: r.Address, Method: r.Method, Reason: r.Reason})
}

func (t *telemetry) onTurnedAway(_ net.Addr, reason string) { t.turnedAway.With(reason).Add(1) }

func (t *telemetry) onNode(e route.Event) {
	t.audit.Record(audit.Event{Event: "node." + e.Event, Node: e.Node.Name, Identity: e.Node.Identity})
}

func (t *telemetry) onReload(done Reloaded, err error) {
	e := audit.Event{Event: "config.reloaded", Changed: done.Changed}
	result := "ok"
	if err != nil {
		result, e.Code = "refused", string(ConfigInvalid)
	} else {
		t.reloaded.Store(time.Now().Unix())
		t.revoked.With().Add(uint64(done.Ended))
	}
	t.reloads.With(result).Add(1)
	t.audit.Record(e)
}
