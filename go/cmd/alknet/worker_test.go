//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// state is a state folder, in which programs run.
type state string

func (s state) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = environment(string(s), "ALKNET_HOME="+string(s))
	return cmd
}

// run runs the program to its end.
func (s state) run(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := s.command(args...)
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), told.String(), cmd.ProcessState.ExitCode()
}

func (s state) ok(t testing.TB, args ...string) string {
	t.Helper()
	stdout, stderr, status := s.run(t, args...)
	if status != 0 {
		t.Fatalf("alknet %s: status %d, %s", strings.Join(args, " "), status, stderr)
	}
	return stdout
}

// process is a program that runs until it is told to end.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	told  lockedBuffer
	ended bool
}

// lockedBuffer is what a program writes, read while it runs.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func (s state) start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{cmd: s.command(args...)}
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	p.cmd.Stderr = &p.told
	must(t, p.cmd.Start())
	p.lines = bufio.NewScanner(out)
	t.Cleanup(func() {
		if !p.ended {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// line returns the next line of stdout.
func (p *process) line(t testing.TB) string {
	t.Helper()
	if !p.lines.Scan() {
		_ = p.cmd.Wait()
		p.ended = true
		t.Fatalf("%v has ended: %s", p.cmd.Args[1:], p.told.String())
	}
	return p.lines.Text()
}

// end tells the program to end, and returns its exit status.
func (p *process) end(t testing.TB, signal os.Signal) int {
	t.Helper()
	if signal != nil {
		must(t, p.cmd.Process.Signal(signal))
	}
	_, _ = io.Copy(io.Discard, &scannerRest{p.lines})
	_ = p.cmd.Wait()
	p.ended = true
	return p.cmd.ProcessState.ExitCode()
}

// scannerRest reads what a scanner has left, line by line.
type scannerRest struct{ lines *bufio.Scanner }

func (r *scannerRest) Read(p []byte) (int, error) {
	if !r.lines.Scan() {
		return 0, io.EOF
	}
	return copy(p, r.lines.Bytes()), nil
}

// key makes a key file and authorizes it with scopes.
func (s state) key(t testing.TB, name, scopes string) string {
	t.Helper()
	file := filepath.Join(string(s), name)
	var made struct{ PublicKey string }
	must(t, json.Unmarshal([]byte(s.ok(t, "key", "generate", file, "--json")), &made))
	args := []string{"authorize", made.PublicKey}
	if scopes != "" {
		args = append(args, "--scopes", scopes)
	}
	s.ok(t, args...)
	return file
}

// serve starts a head and returns its address.
func (s state) serve(t testing.TB, args ...string) (*process, string) {
	t.Helper()
	head := s.start(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--json"}, args...)...)
	var told struct{ Addresses []string }
	must(t, json.Unmarshal([]byte(head.line(t)), &told))
	return head, told.Addresses[0]
}

func TestWorker(t *testing.T) {
	s := state(t.TempDir())
	worker, user := s.key(t, "worker", "node:register:dev1"), s.key(t, "user", "fs:*,bash:run,log:tail")
	stranger := s.key(t, "stranger", "")
	head, address := s.serve(t)
	folder := filepath.Join(string(s), "offered")
	must(t, os.Mkdir(folder, 0o755))
	must(t, os.WriteFile(filepath.Join(folder, "hello"), []byte("hello"), 0o600))
	spec := filepath.Join(string(s), "spec.json")
	must(t, os.WriteFile(spec, []byte(`[{"name":"/log/tail","type":"subscription","description":"Counts"}]`), 0o600))

	watch := s.start(t, "nodes", address, "--key", user, "--watch", "--json")
	w := s.start(t, "worker", address, "--name", "dev1", "--key", worker, "--fs", folder, "--spec", spec, "--json",
		"--exec", `/bash/run=sh -c 'read in; echo "{\"in\":$in}"; echo said >&2'`, "--exec", `/log/tail=sh -c 'echo 1; echo 2; echo 3'`)
	var told struct {
		Node       string
		Operations []struct {
			Name, Type string
			Scopes     []string
		}
	}
	must(t, json.Unmarshal([]byte(w.line(t)), &told))
	if told.Node != "dev1" || len(told.Operations) != 7 || told.Operations[0].Name != "/dev1/bash/run" || !slices.Equal(told.Operations[0].Scopes, []string{"bash:run"}) {
		t.Errorf("the worker offers %+v", told)
	}
	if line := watch.line(t); !strings.Contains(line, `"event":"joined","node":{"node":"dev1"`) {
		t.Errorf("watch: %s", line)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"call", address, "/dev1/bash/run", `{"n":1}`}, "{\"in\":{\"n\":1}}\n"},
		{[]string{"call", address, "/dev1/fs/read", `{"path":"hello"}`}, `"content":"hello"`},
		{[]string{"subscribe", address, "/dev1/log/tail"}, "1\n2\n3\n"},
		{[]string{"nodes", address}, "dev1  7 "}, {[]string{"nodes", address, "--json"}, `"node":"dev1"`},
		{[]string{"services", address, "--node", "dev1"}, "/dev1/log/tail  subscription  Counts\n"}, {[]string{"services", address, "--node", "dev1", "--json"}, `{"operations":[{"name":"/dev1/bash/run","namespace":"dev1/bash"`},
	} {
		got := s.ok(t, append(c.args, "--key", user)...)
		if c.args[0] == "nodes" && c.want == "dev1  7 " {
			got = strings.Join(strings.Fields(got), " ")
			c.want = "IDENTITY dev1 7 "
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("alknet %s: %s, want %s", strings.Join(c.args, " "), got, c.want)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"call", address, "/dev1/bash/run", "--key", stranger}, 1, "FORBIDDEN"}, {[]string{"services", address, "--node", "dev2", "--key", user}, 1, "nothing of a node dev2"},
		{[]string{"call", address, "/dev1/fs/read", `{"path":"../worker"}`, "--key", user}, 1, "FORBIDDEN"},
		{[]string{"worker", address, "--name", "dev2", "--key", worker, "--fs", folder}, 1, "needs the scope node:register"},
		{[]string{"worker", address, "--name", "head", "--key", worker, "--fs", folder}, 2, "reserved"}, {[]string{"worker", address, "--name", "dev1", "--key", worker}, 2, "offer nothing"},
		{[]string{"worker", address, "--name", "dev1", "--exec", "x"}, 2, "want /namespace/operation=command"}, {[]string{"worker", address, "--name", "dev1", "--exec", "/a/b='"}, 2, "quotation"},
		{[]string{"worker", address, "--name", "dev1", "--exec", "/a/b=/no/such/program"}, 2, "/no/such/program"}, {[]string{"worker", address, "--name", "dev1", "--fs", "/no/such/folder"}, 1, "/no/such/folder"},
		{[]string{"worker", address, "--name", "dev1", "--exec", "/a/b=true", "--spec", spec}, 2, "no --exec offers it"},
		{[]string{"worker", address, "--fs", folder}, 2, "--name"},
	} {
		_, stderr, status := s.run(t, c.args...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("alknet %s: status %d, %s; want %d, %s", strings.Join(c.args, " "), status, stderr, c.status, c.want)
		}
	}
	// A second worker of the same key takes the name over, and the first one ends.
	again := s.start(t, "worker", address, "--name", "dev1", "--key", worker, "--fs", folder, "--read-only")
	if line := again.line(t); !strings.Contains(line, "has joined as dev1") {
		t.Errorf("second worker: %s", line)
	}
	if status := w.end(t, nil); status != 1 || !strings.Contains(w.told.String(), "taken the name dev1 over") || !strings.Contains(w.told.String(), "stderr=said") {
		t.Errorf("first worker: status %d, %s", status, w.told.String())
	}
	if status := again.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("second worker: status %d, %s", status, again.told.String())
	}
	for line := ""; !strings.Contains(line, `"left"`); line = watch.line(t) {
	}
	if status := watch.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("watch: status %d, %s", status, watch.told.String())
	}
	if status := head.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("head: status %d, %s", status, head.told.String())
	}
}

// TestHeadBehindHead chains two heads by their flags.
func TestHeadBehindHead(t *testing.T) {
	top, mid := state(t.TempDir()), state(t.TempDir())
	user := top.key(t, "user", "x:y")
	midKey := filepath.Join(string(mid), "mid")
	var made struct{ PublicKey string }
	must(t, json.Unmarshal([]byte(mid.ok(t, "key", "generate", midKey, "--json")), &made))
	top.ok(t, "authorize", made.PublicKey, "--scopes", "node:register:mid")
	worker := mid.key(t, "worker", "node:register:dev")
	_, address := top.serve(t)
	_, stderr, status := mid.run(t, "serve", "--listen", "127.0.0.1:0", "--join", address, "--join-as", "Mid")
	if status != 2 || !strings.Contains(stderr, "--join-as") {
		t.Errorf("a bad name: status %d, %s", status, stderr)
	}
	_, midAddress := mid.serve(t, "--key", midKey, "--join", address, "--join-as", "mid")
	w := mid.start(t, "worker", midAddress, "--name", "dev", "--key", worker, "--exec", "/x/y=echo 7")
	w.line(t)
	watch := top.start(t, "nodes", address, "--key", user, "--watch", "--json")
	for line := ""; !strings.Contains(line, `"operations":4`); line = watch.line(t) { // three of the head in the middle, and the worker's
	}
	if got := top.ok(t, "call", address, "/mid/dev/x/y", "--key", user); got != "7\n" {
		t.Errorf("through two heads: %s", got)
	}
}

// TestJoiningGoesOn lets another node stand at the address for a moment.
func TestJoiningGoesOn(t *testing.T) {
	top, mid := state(t.TempDir()), state(t.TempDir())
	user := top.key(t, "user", "x:y")
	midKey := filepath.Join(string(mid), "mid")
	var made struct{ PublicKey string }
	must(t, json.Unmarshal([]byte(mid.ok(t, "key", "generate", midKey, "--json")), &made))
	top.ok(t, "authorize", made.PublicKey, "--scopes", "node:register:mid")
	first, address := top.serve(t)
	if status := first.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("status %d, %s", status, first.told.String())
	}
	joining, _ := mid.serve(t, "--key", midKey, "--join", address, "--join-as", "mid") // nobody listens there

	_, place, _ := strings.Cut(address, "@")
	stranger := state(t.TempDir()).start(t, "serve", "--listen", place)
	stranger.line(t)
	for !strings.Contains(joining.told.String(), "but the address pins") {
		time.Sleep(10 * time.Millisecond)
	}
	stranger.end(t, syscall.SIGTERM)

	top.serve(t, "--listen", place)
	watch := top.start(t, "nodes", address, "--key", user, "--watch", "--json")
	for line := ""; !strings.Contains(line, `"mid"`); line = watch.line(t) {
	}
}

func TestCompletion(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, kong.Name("alknet"))
	must(t, err)
	for line, want := range map[string][]string{
		"wo": {"worker"}, "key ": {"generate", "show"}, "key gen": {"generate"}, "completion ": {"bash", "fish", "zsh"}, "completion z": {"zsh"},
		"worker --re": {"--read-only", "--require-locked-memory"}, "credential ": {"add", "list", "remove"}, "credential add x --type ": {"apiKey", "basic", "bearer", "custom", "oidc", "s3"}, "credential add x --secret-f": {"--secret-fd", "--secret-file"}, "credential remove x --y": {"--yes"}, "worker --log-format ": {"json", "text"}, "worker --log-format j": {"json"}, "worker --log-format=t": {"--log-format=text"},
		"worker --fs ": nil, "worker --fs x --na": {"--name"}, "call addr ": nil, "nope ": nil, "key generate --js": {"--json"}, "--ho": {"--home"},
	} {
		if got := candidates(parser.Model.Node, strings.Split(line, " ")); !slices.Equal(got, want) && line != "nope " {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := candidates(parser.Model.Node, nil); !slices.Contains(got, "serve") || slices.Contains(got, "complete") {
		t.Errorf("commands: %q", got)
	}
	// The shells that are here read their scripts, and get an answer from them.
	s := state(t.TempDir())
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := s.ok(t, "completion", shell)
		if !strings.Contains(script, "alknet complete") {
			t.Errorf("%s: %s", shell, script)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("there is no %s here to read its script", shell)
			continue
		}
		args := []string{"-n", filepath.Join(string(s), shell)}
		must(t, os.WriteFile(args[1], []byte(script), 0o600))
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v, %s", shell, err, out)
		}
	}
	bash := exec.Command("bash", "--norc", "-c", `eval "$(alknet completion bash)"; COMP_WORDS=(alknet key gen); COMP_CWORD=2; _alknet; echo "${COMPREPLY[@]}"`)
	bash.Env = environment(string(s))
	if out, err := bash.CombinedOutput(); err != nil || string(out) != "generate\n" {
		t.Errorf("bash completes to %q, %v", out, err)
	}
}
