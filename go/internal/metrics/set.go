package metrics

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
)

// ContentType is the MIME type of what AppendText gives.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// maxSeries bounds the series of one family: label values come from outside.
const maxSeries = 1024

// other is the label value of what comes beyond.
const other = "other"

// Set is a set of families. Registering is for the start; everything else is safe
// for concurrent use.
type Set struct {
	mu       sync.Mutex
	families []family
}

type family interface {
	head() (name, help, kind string)
	appendSeries(dst []byte) []byte
}

func (s *Set) add(f family) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families = append(s.families, f)
}

// AppendText appends every family as Prometheus reads it.
func (s *Set) AppendText(dst []byte) []byte {
	s.mu.Lock()
	families := slices.Clone(s.families)
	s.mu.Unlock()
	for _, f := range families {
		name, help, kind := f.head()
		dst = append(dst, "# HELP "+name+" "+strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)+"\n# TYPE "+name+" "+kind+"\n"...)
		dst = f.appendSeries(dst)
	}
	return dst
}

type named struct{ name, help string }

// labelled holds the series of a family by the values of its labels.
type labelled[T any] struct {
	named
	labels []string
	make   func() *T

	mu     sync.Mutex
	series atomic.Pointer[map[string]*T] // by label text; replaced as a whole
}

func newLabelled[T any](name, help string, labels []string, make func() *T) *labelled[T] {
	return &labelled[T]{named: named{name, help}, labels: labels, make: make}
}

// with returns the series of some label values, and makes it the first time.
func (l *labelled[T]) with(values []string) *T {
	key := l.key(values)
	if all := l.series.Load(); all != nil {
		if found := (*all)[key]; found != nil {
			return found
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := map[string]*T{}
	if all := l.series.Load(); all != nil {
		if found := (*all)[key]; found != nil {
			return found
		}
		if len(*all) >= maxSeries {
			key = l.key(slices.Repeat([]string{other}, len(values)))
			if found := (*all)[key]; found != nil {
				return found
			}
		}
		for k, v := range *all {
			next[k] = v
		}
	}
	made := l.make()
	next[key] = made
	l.series.Store(&next)
	return made
}

// key gives label values as they stand in the text, which tells all values apart.
func (l *labelled[T]) key(values []string) string {
	var b strings.Builder
	for i, label := range l.labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(label)
		b.WriteString(`="`)
		escape(&b, values[i])
		b.WriteByte('"')
	}
	return b.String()
}

// maxLabel bounds the value of a label, in bytes of it.
const maxLabel = 1024

// escape writes a value as the text format has it. What a terminal would act on is
// written as \\u and its number; a long value is cut.
func escape(b *strings.Builder, value string) {
	for i, c := range value {
		if i >= maxLabel {
			b.WriteString("…")
			return
		}
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c == '"':
			b.WriteString(`\"`)
		case c == '\n':
			b.WriteString(`\n`)
		case !unicode.IsPrint(c):
			fmt.Fprintf(b, `\\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
}

func (l *labelled[T]) sorted(visit func(key string, series *T)) {
	all := l.series.Load()
	if all == nil {
		return
	}
	keys := make([]string, 0, len(*all))
	for k := range *all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		visit(k, (*all)[k])
	}
}

// appendSample appends one line.
func appendSample(dst []byte, name, labels string, value float64) []byte {
	dst = append(dst, name...)
	if labels != "" {
		dst = append(append(append(dst, '{'), labels...), '}')
	}
	dst = append(dst, ' ')
	if math.IsInf(value, 1) {
		dst = append(dst, "+Inf"...)
	} else {
		dst = strconv.AppendFloat(dst, value, 'g', -1, 64)
	}
	return append(dst, '\n')
}

// Counter only grows.
type Counter struct{ n atomic.Uint64 }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Counters is a family of counters.
type Counters struct{ *labelled[Counter] }

// Counters registers a family of counters whose name ends in _total.
func (s *Set) Counters(name, help string, labels ...string) *Counters {
	c := &Counters{newLabelled(name, help, labels, func() *Counter { return new(Counter) })}
	if len(labels) == 0 {
		c.With() // it is 0 before it is counted
	}
	s.add(c)
	return c
}

// With returns the counter of some label values, one for each label.
func (c *Counters) With(values ...string) *Counter { return c.with(values) }

func (c *Counters) head() (string, string, string) { return c.name, c.help, "counter" }

func (c *Counters) appendSeries(dst []byte) []byte {
	c.sorted(func(key string, series *Counter) { dst = appendSample(dst, c.name, key, float64(series.n.Load())) })
	return dst
}

// Gauge registers a value that is read when the text is made.
func (s *Set) Gauge(name, help string, read func() float64) {
	s.GaugeBy(name, help, "", func() map[string]float64 { return map[string]float64{"": read()} })
}

// GaugeBy registers values that are read when the text is made, by one label.
func (s *Set) GaugeBy(name, help, label string, read func() map[string]float64) {
	s.add(&readings{named{name, help}, "gauge", label, read})
}

// CounterOf registers a count that is kept elsewhere and read when the text is made.
func (s *Set) CounterOf(name, help string, read func() uint64) {
	s.add(&readings{named{name, help}, "counter", "", func() map[string]float64 { return map[string]float64{"": float64(read())} }})
}

// readings are values that are read when the text is made.
type readings struct {
	named
	kind  string
	label string
	read  func() map[string]float64
}

func (g *readings) head() (string, string, string) { return g.name, g.help, g.kind }

func (g *readings) appendSeries(dst []byte) []byte {
	values := g.read()
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		labels := ""
		if g.label != "" {
			l := labelled[Counter]{labels: []string{g.label}}
			labels = l.key([]string{k})
		}
		dst = appendSample(dst, g.name, labels, values[k])
	}
	return dst
}

// Histogram counts values by size.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds
	sum    atomic.Uint64   // bits of a float64
}

// Observe counts a value.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// Histograms is a family of histograms.
type Histograms struct{ *labelled[Histogram] }

// Histograms registers a family of histograms; bounds are the upper ends of the
// buckets, ascending, without the last one, which is infinite.
func (s *Set) Histograms(name, help string, bounds []float64, labels ...string) *Histograms {
	h := &Histograms{newLabelled(name, help, labels, func() *Histogram {
		return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
	})}
	s.add(h)
	return h
}

// With returns the histogram of some label values, one for each label.
func (h *Histograms) With(values ...string) *Histogram { return h.with(values) }

func (h *Histograms) head() (string, string, string) { return h.name, h.help, "histogram" }

func (h *Histograms) appendSeries(dst []byte) []byte {
	h.sorted(func(key string, series *Histogram) {
		lead := key
		if lead != "" {
			lead += ","
		}
		total := uint64(0)
		for i := range series.counts {
			total += series.counts[i].Load()
			bound := math.Inf(1)
			if i < len(series.bounds) {
				bound = series.bounds[i]
			}
			text := appendSample(nil, "", "", bound)
			le := string(bytes.TrimSpace(text))
			dst = appendSample(dst, h.name+"_bucket", lead+`le="`+le+`"`, float64(total))
		}
		dst = appendSample(dst, h.name+"_sum", key, math.Float64frombits(series.sum.Load()))
		dst = appendSample(dst, h.name+"_count", key, float64(total))
	})
	return dst
}
