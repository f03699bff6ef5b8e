package secret

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// Some tests are about a whole process. They run the test binary again, which then
// is the child that this variable names instead of running tests.
const childVariable = "ALKNET_SECRET_TEST_CHILD"

var children = map[string]func(){}

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(childVariable); ok {
		children[name]()
		return
	}
	goleak.VerifyTestMain(m)
}

// child is a running child: what it is sent and what it says.
type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// childBinary builds the test binary for a child: with the given build tags, and
// without the race detector, which maps terabytes of memory and is locked out by
// low limits. Anyone may run it.
func childBinary(t *testing.T, tags string) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "alknet-secret-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	must(t, os.Chmod(folder, 0o755))
	binary := filepath.Join(folder, "child")
	build := exec.Command("go", "test", "-c", "-tags", tags, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the child: %v\n%s", err, out)
	}
	return binary
}

// startChild runs a binary of childBinary as a child.
func startChild(t *testing.T, binary, name string, environment ...string) *child {
	t.Helper()
	var err error
	c := &child{Cmd: exec.Command(binary)}
	c.Env = append(os.Environ(), append(environment, childVariable+"="+name)...)
	c.Stderr = os.Stderr
	c.Dir = filepath.Dir(binary)
	c.in, err = c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	c.out = bufio.NewScanner(out)
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.in.Close()
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c
}

// expect reads the child's next line.
func (c *child) expect(t *testing.T, want string) {
	t.Helper()
	if !c.out.Scan() || c.out.Text() != want {
		t.Fatalf("the child said %q, want %q", c.out.Text(), want)
	}
}

// check ends a child that cannot go on.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
