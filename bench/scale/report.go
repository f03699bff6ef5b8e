package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The marks in the page between which a run stands.
const (
	beginMark = "<!-- A run of bench-scale begins here. -->\n"
	endMark   = "<!-- The run of bench-scale ends here. -->\n"
)

// report prints the results, and writes them where they are to be kept.
func (o *options) report(levels []level, busies []busy) error {
	text := o.text(levels, busies)
	fmt.Print(text)
	if o.page == "" {
		return nil
	}
	page, err := os.ReadFile(o.page)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(page), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !begun || !ended {
		return fmt.Errorf("%s: the marks of a run are missing", o.page)
	}
	image := strings.TrimSuffix(o.page, filepath.Ext(o.page)) + ".svg"
	if err := os.WriteFile(image, []byte(chart(levels)), 0o644); err != nil {
		return err
	}
	picture := fmt.Sprintf("\n![Memory, CPU, latency and calls by the number of sessions](%s)\n", filepath.Base(image))
	return os.WriteFile(o.page, []byte(before+beginMark+text+picture+endMark+after), 0o644)
}

func (o *options) text(levels []level, busies []busy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured with `make bench SUITE=scale` on %s.%s\n", machine(), o.label)
	b.WriteString(`
| transport | sessions | open all | again | RSS each | heap each | stacks each | goroutines each | RSS each, after work | CPU while idle |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`)
	for _, l := range levels {
		idle := "–"
		if l.IdleCPU >= 0 {
			idle = fmt.Sprintf("%.1f %%", 100*l.IdleCPU)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s | %s | %s | %.1f | %s | %s |\n", l.Transport, thousands(float64(l.Sessions)), seconds(l.Open), l.Refused,
			l.kilobytes(l.RSS), l.kilobytes(l.Heap), l.kilobytes(l.Stack), l.Routines, l.kilobytes(l.Worked), idle)
	}
	b.WriteString(`
| transport | sessions | one works: p50 | p99 | all work: calls/s |
| --- | ---: | ---: | ---: | ---: |
`)
	for _, l := range levels {
		fmt.Fprintf(&b, "| %s | %s | %.0f µs | %.0f µs | %s |\n", l.Transport, thousands(float64(l.Sessions)), l.P50, l.P99, thousands(l.Calls))
	}
	if len(busies) > 0 {
		b.WriteString(`
| transport | subscriptions | on sessions | events/s | missing | lag p50 | p99 | CPU of the head |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`)
	}
	for _, y := range busies {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %.2f ms | %.1f ms | %.0f %% |\n", y.Transport, thousands(float64(y.Subscriptions)), thousands(float64(y.Sessions)), thousands(y.PerSecond), y.Missing, y.P50, y.P99, 100*y.CPU)
	}
	return b.String()
}

// fewest is the number of sessions from which bytes a session mean something: below it
// they are lost in what the runtime takes at a time.
const fewest = 100

func (l level) kilobytes(n float64) string {
	if l.Sessions < fewest {
		return "–"
	}
	return fmt.Sprintf("%.0f KB", n/1000)
}

func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.1f s", s)
}

func thousands(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// machine describes where it runs.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.Trim(line, " \t:")
		}
	}
	release := ""
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		release = " " + unix.ByteSliceToString(u.Release[:])
	}
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load " + strings.Fields(string(text))[0] + " after the run"
	}
	return fmt.Sprintf("%d × %s, Linux%s, %s, %s%s", runtime.NumCPU(), model, release, runtime.Version(), time.Now().UTC().Format(time.DateOnly), load)
}

// series are the points of one transport, for a chart.
type series struct {
	name   string
	points [][2]float64
}

// seriesOf collects one figure; what is not positive has no place on a logarithmic axis.
func seriesOf(levels []level, least int, value func(level) float64) []series {
	var all []series
	for _, l := range levels {
		i := slices.IndexFunc(all, func(s series) bool { return s.name == l.Transport })
		if i < 0 {
			i = len(all)
			all = append(all, series{name: l.Transport})
		}
		if v := value(l); v > 0 && l.Sessions >= least {
			all[i].points = append(all[i].points, [2]float64{float64(l.Sessions), v})
		}
	}
	return all
}

func chart(levels []level) string {
	total := func(l level) float64 { return l.RSS * float64(l.Sessions) / 1e6 }
	return drawing([]panel{
		{"memory of the head for its sessions, MB (RSS)", seriesOf(levels, fewest, total)},
		{"open all of them, s", seriesOf(levels, 0, func(l level) float64 { return l.Open })},
		{"p99 of a call while the others are idle, µs", seriesOf(levels, 0, func(l level) float64 { return l.P99 })},
		{"calls/s with one caller on each", seriesOf(levels, 0, func(l level) float64 { return l.Calls })},
	})
}
