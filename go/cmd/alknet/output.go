package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// escaping is a writer of text for people: what a terminal would act on, such as control
// characters, and what makes text look like another one, such as bidirectional controls,
// is written as \uXXXX, which is also what JSON has for it. All that the commands print
// goes through one, see run: text of other nodes may be in any of it.
type escaping struct{ out io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	if !bytes.ContainsFunc(p, hidden) && utf8.Valid(p) {
		return e.out.Write(p) // without a copy: it may be a secret
	}
	if _, err := io.WriteString(e.out, escape(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escape escapes all but printable text, line feeds and tabs. Bytes that are not UTF-8
// become U+FFFD.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }

// oneLine escapes line feeds too: an error of another node must not look like two.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }

// forPeople has text escaped that is read by people: on stderr always, on stdout where
// that is a terminal. Files and pipes get the bytes of stdout as they are.
func forPeople(stdout, stderr io.Writer) (out, err io.Writer) {
	if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		stdout = escaping{stdout}
	}
	return stdout, escaping{stderr}
}

// maxSpool bounds what waits for a reader of the log, in bytes.
const maxSpool = 1 << 20

// spool is a writer that never waits: a log whose reader stands still holds up no
// request, and one that has gone is no reason to end. What does not fit is left out and
// counted.
type spool struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
	lost    int           // writes
	change  chan struct{} // has one element when there is something to write
	idle    chan struct{} // closed when all is written and end was called
	ending  bool
}

func newSpool(out io.Writer) *spool {
	s := &spool{out: out, change: make(chan struct{}, 1), idle: make(chan struct{})}
	go s.run()
	return s
}

func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	if len(s.waiting)+len(p) > maxSpool {
		s.lost++
	} else {
		s.waiting = append(s.waiting, p...)
	}
	s.mu.Unlock()
	s.wake()
	return len(p), nil
}

func (s *spool) wake() {
	select {
	case s.change <- struct{}{}:
	default:
	}
}

func (s *spool) run() {
	for range s.change {
		for {
			s.mu.Lock()
			text, lost := s.waiting, s.lost
			s.waiting, s.lost = nil, 0
			ending := s.ending
			s.mu.Unlock()
			if lost > 0 {
				text = fmt.Appendf(text, "alknet: %d lines were left out here, because they were not read\n", lost)
			}
			if len(text) == 0 {
				if ending {
					close(s.idle)
					return
				}
				break
			}
			_, _ = s.out.Write(text) // there is nowhere to tell of an error
		}
	}
}

// end waits until all is written, for a moment.
func (s *spool) end() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.wake()
	select {
	case <-s.idle:
	case <-time.After(time.Second):
	}
}
