package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal is where a person is asked for what must not be seen.
type terminal struct {
	in  *os.File
	out io.Writer
	own []*os.File // to close
}

func (t *terminal) close() {
	for _, file := range t.own {
		file.Close()
	}
}

// openTerminal opens the terminal that controls the program, so that asking works
// while stdin and stdout are files; without one, stdin if that is a terminal.
func openTerminal() (*terminal, error) {
	in, out, err := openControlling()
	if err == nil {
		return &terminal{in: in, out: out, own: []*os.File{in, out}}, nil
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return &terminal{in: os.Stdin, out: os.Stderr}, nil
	}
	return nil, err
}

// ask prints the prompt and reads a line that is not shown. It does not use
// term.ReadPassword, which leaves copies of what was typed in memory, and leaves the
// terminal without echo when a signal ends the program meanwhile.
func (t *terminal) ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(t.in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	defer func() {
		_ = term.Restore(fd, before)
		fmt.Fprintln(t.out)
	}()
	fmt.Fprint(t.out, prompt)
	line := &hiddenLine{buf: make([]byte, 0, maxSecretInput)}
	done := make(chan error, 1)
	go func() { done <- line.read(t.in) }()
	select {
	case err = <-done:
	case <-ctx.Done(): // the program ends, and the read with it
		return nil, errInterrupted
	}
	if err != nil {
		clear(line.buf[:cap(line.buf)])
		return nil, err
	}
	clear(line.buf[len(line.buf):cap(line.buf)])
	return line.buf, nil
}

// The keys that edit a line, as terminals have them by default.
const (
	keyInterrupt = 3    // Ctrl-C
	keyEnd       = 4    // Ctrl-D
	keyBackspace = 8    // and Ctrl-H
	keyKillLine  = 21   // Ctrl-U
	keyKillWord  = 23   // Ctrl-W
	keyDelete    = 0x7f // what most terminals send for backspace
)

// hiddenLine is a line that is being typed, in memory that does not move.
type hiddenLine struct{ buf []byte }

// read reads bytes up to the end of a line, and not one more: what follows is the
// answer to the next question.
func (l *hiddenLine) read(r io.Reader) error {
	var b [1]byte
	defer clear(b[:])
	for {
		n, err := r.Read(b[:])
		if n == 0 && err == nil {
			continue
		}
		if err != nil {
			return errors.New("the terminal was closed")
		}
		end, err := l.key(b[0])
		if end || err != nil {
			return err
		}
	}
}

// key takes one byte and reports whether it ends the line.
func (l *hiddenLine) key(b byte) (end bool, err error) {
	switch b {
	case '\r', '\n', keyEnd:
		return true, nil
	case keyInterrupt:
		return true, errInterrupted
	case keyBackspace, keyDelete:
		_, size := utf8.DecodeLastRune(l.buf)
		l.cut(len(l.buf) - size)
		return false, nil
	case keyKillLine:
		l.cut(0)
		return false, nil
	case keyKillWord:
		l.killWord()
		return false, nil
	}
	switch {
	case b < ' ' && b != '\t':
		return true, errors.New("a key was pressed that is no text, such as a cursor key: begin again")
	case len(l.buf) == cap(l.buf):
		return true, fmt.Errorf("the line has more than %d bytes", cap(l.buf))
	}
	l.buf = append(l.buf, b)
	return false, nil
}

func (l *hiddenLine) killWord() {
	text := false
	for len(l.buf) > 0 {
		r, size := utf8.DecodeLastRune(l.buf)
		space := unicode.IsSpace(r)
		if space && text {
			return
		}
		text = text || !space
		l.cut(len(l.buf) - size)
	}
}

// cut shortens the line and wipes what is cut off.
func (l *hiddenLine) cut(n int) {
	clear(l.buf[n:])
	l.buf = l.buf[:n]
}
