//go:build unix

package audit

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, path string) (events []Event) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	for scan := bufio.NewScanner(file); scan.Scan(); {
		var e Event
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			t.Fatalf("%q: %v", scan.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

func TestOneLineAnEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(path)
	must(t, err)
	at := time.Date(2030, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	l.Record(Event{Time: at, Event: "request", Identity: "SHA256:x", Address: "192.0.2.1", Operation: "/head/config/reload", Code: "FORBIDDEN"})
	l.Record(Event{Event: "line\nend", Changed: []string{"a", "b"}})
	must(t, l.Close())
	raw, err := os.ReadFile(path)
	must(t, err)
	first, _, _ := strings.Cut(string(raw), "\n")
	if first != `{"time":"2030-01-02T02:04:05.000006Z","event":"request","identity":"SHA256:x","address":"192.0.2.1","operation":"/head/config/reload","code":"FORBIDDEN"}` {
		t.Errorf("the first line is %s", first)
	}
	if events := lines(t, path); len(events) != 2 || events[1].Time.IsZero() {
		t.Errorf("%+v", events)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := Open(path) // it only grows
	must(t, err)
	again.Record(Event{Event: "again"})
	must(t, again.Close())
	if events := lines(t, path); len(events) != 3 {
		t.Errorf("%d lines", len(events))
	}
}

// Rotation under load loses and mixes nothing.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	l, err := Open(path)
	must(t, err)
	l.OnError = func(_ uint64, err error) { t.Error(err) }
	const writers, each = 8, 500
	var work sync.WaitGroup
	for range writers {
		work.Go(func() {
			for range each {
				l.Record(Event{Event: "request", Operation: "/a/b"})
			}
		})
	}
	moved := []string{}
	for i := range 5 {
		name := filepath.Join(dir, "old"+string(rune('0'+i)))
		must(t, os.Rename(path, name))
		must(t, l.Reopen(path))
		moved = append(moved, name)
	}
	work.Wait()
	must(t, l.Close())
	total := 0
	for _, name := range append(moved, path) {
		total += len(lines(t, name))
	}
	if total != writers*each {
		t.Errorf("%d lines, want %d", total, writers*each)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	path := filepath.Join(dir, "audit.jsonl")
	l, err := Open(path)
	must(t, err)
	if err := l.Reopen(filepath.Join(dir, "no", "such")); err == nil {
		t.Error("a file in a folder that is not there was opened")
	}
	l.Record(Event{Event: "still"})
	l.Flush()
	if events := lines(t, path); len(events) != 1 {
		t.Errorf("%+v", events)
	}
	must(t, l.Close())
	full, err := Open("/dev/full")
	if err != nil {
		t.Skip("no /dev/full here")
	}
	var reported, reports atomic.Uint64
	full.OnError = func(n uint64, _ error) { reported.Add(n); reports.Add(1) }
	for range 30 {
		full.Record(Event{Event: "lost"})
	}
	full.Flush()
	must(t, full.Close()) // reports what is due later
	if full.Lost() != 30 || reported.Load() != 30 || reports.Load() > 2 {
		t.Errorf("%d lost, %d reported in %d reports", full.Lost(), reported.Load(), reports.Load())
	}
	var none *Log
	none.Record(Event{})
	if none.Lost() != 0 || none.Close() != nil {
		t.Error("a nil log")
	}
}

// A file that takes nothing holds up nobody, and what does not fit is counted.
func TestFileThatTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	if _, err := Open(path); err == nil {
		t.Error("a pipe that nobody reads was opened")
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	defer reader.Close()
	l, err := Open(path)
	must(t, err)
	for range 3 * maxWaiting {
		l.Record(Event{Event: "request", Operation: "/" + strings.Repeat("x", 100)})
	}
	if l.Lost() == 0 {
		t.Error("nothing is lost")
	}
	must(t, l.Reopen(filepath.Join(t.TempDir(), "file")))
}

func TestRepeatedEventsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(path)
	must(t, err)
	for range 2000 {
		l.RecordRepeated(Event{Event: "request", Identity: "a", Operation: "/x/y", Code: "FORBIDDEN"})
	}
	for i := range 2 * maxRepeats {
		l.RecordRepeated(Event{Event: "request", Identity: strconv.Itoa(i), Operation: "/x/y", Code: "FORBIDDEN"})
	}
	must(t, l.Close())
	sum := uint64(0)
	events := lines(t, path)
	for _, e := range events {
		sum += e.Count
	}
	if sum != 2000+2*maxRepeats || len(events) > 2*maxRepeats+2 {
		t.Errorf("%d events in %d lines", sum, len(events))
	}
}
