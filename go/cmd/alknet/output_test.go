//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

const hostile = "a\x1b[31m\a\u009b\u202e\u2028\r\x7f\U000e0041b\xff"

func TestEscape(t *testing.T) {
	var out bytes.Buffer
	n, err := io.WriteString(escaping{&out}, "jörg\t\n"+hostile)
	if want := "jörg\t\n" + `a\u001b[31m\u0007\u009b\u202e\u2028\u000d\u007f\udb40\udc41b` + "\ufffd"; err != nil || n != len("jörg\t\n"+hostile) || out.String() != want {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
	// JSON means the same afterwards.
	text, err := json.Marshal(map[string]string{"x": strings.ToValidUTF8(hostile, "")})
	must(t, err)
	text = bytes.ReplaceAll(text, []byte(`\u2028`), []byte("\u2028"))
	var before, after map[string]string
	must(t, json.Unmarshal(text, &before))
	must(t, json.Unmarshal([]byte(escape(string(text))), &after))
	if before["x"] != after["x"] {
		t.Errorf("%q became %q", before, after)
	}
}

func TestErrorsOfOthersAreOneLine(t *testing.T) {
	var out bytes.Buffer
	err := call.Errorf(call.Internal, "first\nalknet: second%s", strings.Repeat("x", 1<<20))
	err.Details = json.RawMessage("{\n\"a\":1}")
	if exit := report(errors.Join(err), escaping{&out}); exit != exitFailed {
		t.Errorf("exit %d", exit)
	}
	if lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"); len(lines) != 2 || out.Len() > 3*maxDescribed {
		t.Errorf("%d lines, %d bytes", len(lines), out.Len())
	}
}

// All that the commands print goes through the writers of the app.
func TestNothingPrintsPastTheApp(t *testing.T) {
	past := regexp.MustCompile(`os\.Std(out|err)\b|fmt\.Print|\bprintln?\(|tabwriter\.NewWriter`)
	allowed := map[string]string{
		"main.go": "run(os.Args[1:], os.Stdout, os.Stderr)", "engine.go": "os.Std", "terminal.go": "out: os.Stderr", "table.go": "tabwriter.NewWriter",
	}
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		must(t, err)
		for n, line := range strings.Split(string(text), "\n") {
			if past.MatchString(line) && (allowed[file] == "" || !strings.Contains(line, allowed[file])) {
				t.Errorf("%s:%d: %s", file, n+1, line)
			}
		}
	}
}

func TestSpoolNeverWaits(t *testing.T) {
	r, w := io.Pipe()
	s := newSpool(w)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 3 * maxSpool / len(line) {
		_, err := s.Write(line)
		must(t, err)
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		read <- string(text)
	}()
	s.end()
	must(t, w.Close())
	if text := <-read; !strings.Contains(text, "lines were left out here") || len(text) > 2*maxSpool+200 || len(text) < maxSpool/2 {
		t.Errorf("%d bytes were written", len(text))
	}
}

// A signal ends a command that waits for something else.
func TestSignalEndsWhatWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waiting := make(chan struct{})
	var e ending
	e.patience.Store(int64(time.Millisecond))
	if err := e.wait(ctx, func() error { <-waiting; return nil }); !errors.Is(err, errInterrupted) {
		t.Errorf("%v", err)
	}
	close(waiting)
	// One that says how long it takes is waited for.
	e.mayTake(time.Minute)
	if err := e.wait(ctx, func() error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// The commands that last go on when their output is closed, and by a hangup.
func TestClosedOutputEndsNothing(t *testing.T) {
	home := shortHome(t)
	cmd := command(t, "--home", home, "serve", "--listen", "unix://"+filepath.Join(home, "s"))
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	stderr, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = stdout.Read(make([]byte, 1))
	must(t, err)
	must(t, stdout.Close())
	must(t, stderr.Close())
	for range 3 {
		must(t, cmd.Process.Signal(syscall.SIGHUP)) // each is logged
		r := finish(t, command(t, "call", "unix://"+filepath.Join(home, "s"), "/echo/echo", "1", "--token-file", "/dev/null"))
		if r.exit != 1 {
			t.Errorf("exit %d, %s", r.exit, r.stderr)
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// A command looks for a home folder only where it needs something in it.
func TestWithoutEnvironment(t *testing.T) {
	dir := t.TempDir()
	toml := writeFile(t, filepath.Join(dir, "c.toml"), "[node]\nname = \"x\"\n", 0o600)
	key := filepath.Join(dir, "key")
	for _, c := range []struct {
		args []string
		exit int
	}{
		{[]string{"version"}, 0}, {[]string{"--help"}, 0}, {[]string{"completion", "bash"}, 0}, {[]string{"config", "check", toml}, 0}, {[]string{"config", "show", "--config", toml}, 0},
		{[]string{"key", "generate", key}, 0}, {[]string{"key", "show", key}, 0}, {[]string{"token", "--key", key}, 0},
		{[]string{"apikey", "create", "--file", filepath.Join(dir, "keys")}, 0}, {[]string{"apikey", "list", "--file", filepath.Join(dir, "keys")}, 0}, {[]string{"credential", "list", "--directory", dir}, 0},
		{[]string{"key", "show"}, 1}, {[]string{"apikey", "list"}, 1}, {[]string{"config", "show"}, 1},
	} {
		cmd := exec.Command(binary, c.args...)
		cmd.Env = []string{}
		r := finish(t, cmd)
		if r.exit != c.exit || c.exit != 0 && !strings.Contains(r.stderr, "no home folder") {
			t.Errorf("%s: exit %d, %s", strings.Join(c.args, " "), r.exit, r.stderr)
		}
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"call", "tcp://127.0.0.1:1", "/a/b", "\"\xff\""}, {"call", "tcp://127.0.0.1:1", "/a/b", "{\"\xed\xa0\x80\":1}"}, {"authorize", "\xff"},
		{"token", "--key", "a", "--key", "b"}, {"serve", "--name", "a", "--name", "b"}, {"config", "show", "--allow-anonymous", "--no-allow-anonymous"},
		{"config", "show", "--set", "node.name=a", "--set", "node.name=b"}, {"config", "show", "--set", "node.name=a", "--name", "b"},
	} {
		if r := finish(t, command(t, args...)); r.exit != exitUsage || !strings.Contains(r.stderr, "twice") && !strings.Contains(r.stderr, "UTF-8") {
			t.Errorf("%q: exit %d, %s", args, r.exit, r.stderr)
		}
	}
}

func TestKeyShowHasTheComment(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if r := finish(t, command(t, "key", "generate", key, "--comment", "the laptop of Ada")); r.exit != 0 {
		t.Fatal(r.stderr)
	}
	if r := finish(t, command(t, "key", "show", key)); !strings.Contains(r.stdout, " the laptop of Ada\n") {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	if r := finish(t, command(t, "key", "generate", key+"2", "--comment", "a\nb")); r.exit != exitUsage || !strings.Contains(r.stderr, "--comment") {
		t.Errorf("exit %d, %s", r.exit, r.stderr)
	}
}
