//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// screen is a terminal with a program that it controls. The pseudo-terminal comes
// from creack/pty, which has no dependencies and knows the platforms' ways of making
// one; script(1) would put a program with an echo of its own in between.
type screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File
	shown  bytes.Buffer
	seen   int // how much of it was waited for
	more   chan []byte
}

// onScreen starts a program on a terminal; input, if given, is its stdin instead.
func onScreen(t *testing.T, input io.Reader, args ...string) *screen {
	t.Helper()
	master, slave, err := pty.Open()
	must(t, err)
	cmd := command(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if input != nil {
		cmd.Stdin = input
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	s := &screen{t: t, cmd: cmd, master: master, slave: slave, more: make(chan []byte, 64)}
	must(t, cmd.Start())
	go func() {
		defer close(s.more)
		for {
			buf := make([]byte, 4096)
			n, err := master.Read(buf)
			if n > 0 {
				s.more <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // the test failed before the program ended
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		slave.Close()
		master.Close()
		for range s.more {
		}
	})
	return s
}

// until waits until the screen shows a text after what was waited for before.
func (s *screen) until(text string) {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		if at := strings.Index(s.shown.String()[s.seen:], text); at >= 0 {
			s.seen += at + len(text)
			return
		}
		select {
		case data, ok := <-s.more:
			if !ok {
				s.t.Fatalf("the screen never shows %q:\n%s", text, s.shown.String())
			}
			s.shown.Write(data)
		case <-timeout:
			s.t.Fatalf("the screen does not show %q:\n%s", text, s.shown.String())
		}
	}
}

func (s *screen) enter(line string) { s.keys(line + "\r") }

func (s *screen) keys(text string) {
	s.t.Helper()
	_, err := s.master.WriteString(text)
	must(s.t, err)
}

// echoes reports whether the terminal shows what is typed.
func (s *screen) echoes() bool {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.slave.Fd()), readTermios)
	must(s.t, err)
	return state.Lflag&unix.ECHO != 0
}

// end waits for the program and returns its status and all that the screen showed.
func (s *screen) end() (exit int, shown string) {
	s.t.Helper()
	err := s.cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		s.t.Fatal(err)
	}
	if !s.echoes() {
		s.t.Error("the terminal is left without echo")
	}
	s.slave.Close() // the last one: reading ends when all is read
	for data := range s.more {
		s.shown.Write(data)
	}
	return s.cmd.ProcessState.ExitCode(), strings.ReplaceAll(s.shown.String(), "\r\n", "\n")
}

func TestHiddenLine(t *testing.T) {
	for _, c := range []struct{ keys, want, err string }{
		{"abc\r", "abc", ""},
		{"abc\nrest", "abc", ""},
		{"abc\x04", "abc", ""},
		{"\r", "", ""},
		{"abd\x7fc\r", "abc", ""},
		{"\x7f\x08a\r", "a", ""},
		{"caf\u00e9\x7fe\r", "cafe", ""},
		{"cafe\u0301\x7f\r", "cafe", ""}, // the accent alone
		{"wrong\x15right\r", "right", ""},
		{"one two  \x17three\r", "one three", ""},
		{"one\x17\x17x\r", "x", ""},
		{"tab\tbed\r", "tab\tbed", ""},
		{"abc\x03", "", "interrupted"},
		{"abc\x1b[D\r", "", "a key was pressed that is no text, such as a cursor key: begin again"},
		{"abc", "", "the terminal was closed"},
		{strings.Repeat("x", maxSecretInput) + "\r", strings.Repeat("x", maxSecretInput), ""},
		{strings.Repeat("x", maxSecretInput+1) + "\r", "", "the line has more than 4096 bytes"},
	} {
		line := &hiddenLine{buf: make([]byte, 0, maxSecretInput)}
		first := &line.buf[:1][0]
		err := line.read(strings.NewReader(c.keys))
		switch {
		case c.err != "":
			if err == nil || err.Error() != c.err {
				t.Errorf("%.40q: %v, want %s", c.keys, err, c.err)
			}
		case err != nil || string(line.buf) != c.want:
			t.Errorf("%.40q: %.40q, %v", c.keys, line.buf, err)
		case &line.buf[:1][0] != first:
			t.Errorf("%.40q: the line was moved, which leaves a copy", c.keys)
		}
	}
	line := &hiddenLine{buf: make([]byte, 0, 64)}
	must(t, line.read(strings.NewReader("secret\x15\r")))
	if !bytes.Equal(line.buf[:6], make([]byte, 6)) {
		t.Errorf("what was taken back is still there: %q", line.buf[:6])
	}
}

func TestPromptDoesNotEcho(t *testing.T) {
	v := vectors(t).withPassphrase()
	s := onScreen(t, nil, "secret", "check", "--passphrase")
	s.until("Phrase: ")
	if s.echoes() {
		t.Error("the terminal shows what is typed")
	}
	s.enter(v.Mnemonic)
	s.until("Passphrase: ")
	s.enter(v.Passphrase)
	exit, shown := s.end()
	if exit != 0 || !strings.Contains(shown, "fingerprint  "+v.fingerprint()) {
		t.Errorf("exit %d:\n%s", exit, shown)
	}
	for _, word := range append(strings.Fields(v.Mnemonic), v.Passphrase) {
		if strings.Contains(shown, word) {
			t.Errorf("the screen shows %q:\n%s", word, shown)
		}
	}
}

func TestPromptBesideStdin(t *testing.T) {
	v := vectors(t)[0]
	s := onScreen(t, strings.NewReader("on stdin"), "secret", "seal")
	s.until("Phrase: ")
	s.enter(v.Mnemonic)
	exit, shown := s.end()
	if exit != 0 {
		t.Fatalf("exit %d:\n%s", exit, shown)
	}
	sealed := shown[strings.Index(shown, "{"):]
	if got := well(t, v.Mnemonic, strings.NewReader(sealed), "secret", "open"); got != "on stdin" {
		t.Errorf("opened: %q", got)
	}
}

func TestPromptCanBeLeft(t *testing.T) {
	t.Run("key", func(t *testing.T) {
		s := onScreen(t, nil, "secret", "check")
		s.until("Phrase: ")
		s.keys("abandon aban\x03")
		if exit, shown := s.end(); exit != 1 || shown != "Phrase: \nalknet: interrupted\n" {
			t.Errorf("exit %d:\n%s", exit, shown)
		}
	})
	t.Run("signal", func(t *testing.T) {
		s := onScreen(t, nil, "secret", "check")
		s.until("Phrase: ")
		must(t, s.cmd.Process.Signal(syscall.SIGTERM))
		if exit, shown := s.end(); exit != 1 || shown != "Phrase: \nalknet: interrupted\n" {
			t.Errorf("exit %d:\n%s", exit, shown)
		}
	})
	t.Run("empty", func(t *testing.T) {
		s := onScreen(t, nil, "secret", "check")
		s.until("Phrase: ")
		s.enter("")
		if exit, shown := s.end(); exit != 1 || !strings.Contains(shown, "alknet: the phrase is empty: nothing was typed\n") {
			t.Errorf("exit %d:\n%s", exit, shown)
		}
	})
}

func TestCreateOnTerminal(t *testing.T) {
	s := onScreen(t, nil, "secret", "create", "--words", "12", "--passphrase")
	s.until("Passphrase: ")
	s.enter("correct horse")
	s.until("Once more: ")
	s.enter("correct horse")
	exit, shown := s.end()
	if exit != 0 || strings.Contains(shown, "horse") {
		t.Fatalf("exit %d:\n%s", exit, shown)
	}
	var words []string
	fingerprint := ""
	for line := range strings.Lines(shown) {
		if number, word, ok := strings.Cut(strings.TrimSpace(line), ". "); ok && len(number) <= 2 {
			words = append(words, word)
		}
		if name, value, ok := strings.Cut(line, "  "); ok && name == "fingerprint" {
			fingerprint = strings.TrimSpace(value)
		}
	}
	if len(words) != 12 || fingerprint == "" {
		t.Fatalf("%d words:\n%s", len(words), shown)
	}
	cmd := command(t, "secret", "check", "--phrase-fd", "3", "--passphrase-fd", "4", "--expect", fingerprint)
	cmd.ExtraFiles = []*os.File{pipeOf(t, strings.Join(words, " ")), pipeOf(t, "correct horse\n")}
	if r := finish(t, cmd); r.exit != 0 {
		t.Errorf("the phrase on the screen does not give the key: %s", r.stderr)
	}

	s = onScreen(t, nil, "secret", "create", "--passphrase")
	s.until("Passphrase: ")
	s.enter("correct horse")
	s.until("Once more: ")
	s.enter("correct house")
	if exit, shown := s.end(); exit != 1 || shown != "Passphrase: \nOnce more: \nalknet: the two passphrases differ: nothing was done\n" {
		t.Errorf("exit %d:\n%s", exit, shown)
	}
}

// The prompts of key files are the same.
func TestKeyPassphrasePrompt(t *testing.T) {
	file := t.TempDir() + "/key"
	s := onScreen(t, nil, "key", "generate", file, "--passphrase")
	s.until("New passphrase: ")
	s.enter("correct horse")
	s.until("Once more: ")
	s.enter("correct horse")
	if exit, shown := s.end(); exit != 0 || strings.Contains(shown, "horse") {
		t.Fatalf("exit %d:\n%s", exit, shown)
	}
	s = onScreen(t, nil, "key", "show", file)
	s.until("Passphrase of ")
	s.enter("correct horse")
	if exit, shown := s.end(); exit != 0 || !strings.Contains(shown, "fingerprint  SHA256:") {
		t.Errorf("exit %d:\n%s", exit, shown)
	}
}
