package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sample = []level{
	{Transport: "tls", Sessions: 100, Open: 0.1, RSS: 20_000, Heap: 15_000, Stack: 4000, Worked: 21_000, Routines: 1, IdleCPU: -1, P50: 50, P99: 90, Calls: 30_000},
	{Transport: "tls", Sessions: 10_000, Open: 9, RSS: 21_000, Heap: 15_000, Stack: 4000, Worked: 21_000, Routines: 1, IdleCPU: 0.01, P50: 51, P99: 95, Calls: 20_000},
	{Transport: "quic", Sessions: 1, Open: 0.01, IdleCPU: -1, P50: 80, P99: 150, Calls: 8000},
}

// The drawing is a document that a browser takes, and has every point that can be drawn.
func TestDrawing(t *testing.T) {
	svg := chart(sample)
	points := 0
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			points++
		}
	}
	// Two of memory, which a single session has none of, three of each other figure, and
	// two of the legend.
	if want := 2 + 3*3 + 2; points != want {
		t.Errorf("%d points, want %d", points, want)
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a point has no place")
	}
}

// A run replaces the one before it, and nothing else of the page.
func TestReport(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+beginMark+"old\n"+endMark+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options{page: page}
	for range 2 {
		if err := o.report(sample, []busy{{Transport: "tls", Subscriptions: 1000, Sessions: 10, PerSecond: 9999.6, P50: 0.4, P99: 2}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "before\n"+beginMark) || !strings.HasSuffix(text, endMark+"after\n") || strings.Contains(text, "old") || strings.Count(text, "| tls | 10,000 | 9.0 s |") != 1 {
		t.Errorf("the page is\n%s", text)
	}
	if _, err := os.Stat(strings.TrimSuffix(page, ".md") + ".svg"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(page, []byte("no marks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.report(sample, nil); err == nil {
		t.Error("a page without marks was taken")
	}
}
