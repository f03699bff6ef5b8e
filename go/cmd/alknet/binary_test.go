//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The tests drive the binary as users do; it is built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "alknet")
	if err == nil {
		err = os.Chmod(dir, 0o755) // some tests run it as another user
	}
	if err == nil {
		binary = filepath.Join(dir, "alknet")
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as it is shipped
		var output []byte
		if output, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, output)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the binary:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// environment is that of a user with an empty home, without a variable of the
// machine that the tests run on.
func environment(home string, more ...string) []string {
	return append([]string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + home, "ALKNET_HOME=" + filepath.Join(home, "state"), "LC_ALL=C"}, more...)
}

// command prepares a run of the binary without a terminal. It is killed when the
// test does not end in time.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = environment(t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// result is how a run ended.
type result struct {
	stdout, stderr string
	exit           int
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// alknet runs the binary with a phrase on a descriptor and input on stdin.
func alknet(t testing.TB, phrase string, input io.Reader, args ...string) result {
	t.Helper()
	cmd := command(t, append(args, "--phrase-fd", "3")...)
	cmd.Stdin = input
	cmd.ExtraFiles = []*os.File{pipeOf(t, phrase)}
	return finish(t, cmd)
}

// well is alknet, and must end well; it returns stdout.
func well(t testing.TB, phrase string, input io.Reader, args ...string) string {
	t.Helper()
	r := alknet(t, phrase, input, args...)
	if r.exit != 0 || r.stderr != "" {
		t.Fatalf("alknet %s: exit %d, %s", strings.Join(args, " "), r.exit, r.stderr)
	}
	return r.stdout
}

func wellJSON(t testing.TB, into any, phrase string, args ...string) {
	t.Helper()
	out := well(t, phrase, nil, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("alknet %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// pipeOf returns the end of a pipe from which a short text can be read.
func pipeOf(t testing.TB, text string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close() })
	_, err = w.WriteString(text)
	must(t, err)
	must(t, w.Close())
	return r
}

func writeFile(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
	return path
}
