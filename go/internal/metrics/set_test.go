package metrics

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// sample is what a line of the text format may be: a comment or a sample.
var sample = regexp.MustCompile(`^(# HELP [a-zA-Z_:][a-zA-Z0-9_:]* [^\n]*|# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram)|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\\\|\\"|\\n)*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\\\|\\"|\\n)*")*\})? (\+Inf|[0-9.e+-]+))$`)

func TestText(t *testing.T) {
	var s Set
	plain := s.Counters("a_total", "A\nline and a \\.")
	by := s.Counters("b_total", "By two.", "x", "y")
	s.Gauge("c", "Now.", func() float64 { return 1.5 })
	s.GaugeBy("d", "By one.", "kind", func() map[string]float64 { return map[string]float64{"quic": 2, "a\"b": 1} })
	s.CounterOf("f_total", "Kept elsewhere.", func() uint64 { return 7 })
	h := s.Histograms("e_seconds", "Sizes.", []float64{0.001, 0.1}, "op")
	plain.With().Add(3)
	by.With("2", "q\"\\\n").Add(1)
	by.With("1", "z").Add(1 << 60)
	for _, v := range []float64{0.0005, 0.001, 0.05, 7} {
		h.With("/a/b").Observe(v)
	}
	want := `# HELP a_total A\nline and a \\.
# TYPE a_total counter
a_total 3
# HELP b_total By two.
# TYPE b_total counter
b_total{x="1",y="z"} 1.152921504606847e+18
b_total{x="2",y="q\"\\\n"} 1
# HELP c Now.
# TYPE c gauge
c 1.5
# HELP d By one.
# TYPE d gauge
d{kind="a\"b"} 1
d{kind="quic"} 2
# HELP f_total Kept elsewhere.
# TYPE f_total counter
f_total 7
# HELP e_seconds Sizes.
# TYPE e_seconds histogram
e_seconds_bucket{op="/a/b",le="0.001"} 2
e_seconds_bucket{op="/a/b",le="0.1"} 3
e_seconds_bucket{op="/a/b",le="+Inf"} 4
e_seconds_sum{op="/a/b"} 7.0515
e_seconds_count{op="/a/b"} 4
`
	got := string(s.AppendText(nil))
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(got, "\n"), "\n") {
		if !sample.MatchString(line) {
			t.Errorf("malformed: %q", line)
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	var s Set
	c := s.Counters("a_total", "By a name from outside.", "name")
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := range 2 * maxSeries {
				c.With(fmt.Sprint("n", i+w)).Add(1)
			}
		})
	}
	work.Wait()
	all := *c.series.Load()
	total := uint64(0)
	for _, series := range all {
		total += series.n.Load()
	}
	if len(all) > maxSeries+1 || total != 4*2*maxSeries {
		t.Errorf("%d series, %d counted", len(all), total)
	}
}

func BenchmarkCounter(b *testing.B) {
	var s Set
	c := s.Counters("a_total", "A.", "op", "code")
	b.ReportAllocs()
	for b.Loop() {
		c.With("/echo/echo", "OK").Add(1)
	}
}
