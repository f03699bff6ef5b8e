//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// running is `alknet serve` as a test drives it.
type running struct {
	*exec.Cmd
	home    string
	address string
	stderr  *bytes.Buffer
	manager *net.UnixConn // what a service manager would hear
}

// serve starts the binary with the arguments, as a service, and waits for its greeting.
func serve(t *testing.T, home string, prepare func(*exec.Cmd), args ...string) *running {
	t.Helper()
	s := &running{Cmd: command(t, append([]string{"serve", "--json"}, args...)...), home: home, stderr: new(bytes.Buffer)}
	var err error
	// In the home, whose name is short: a socket's has 108 characters at most.
	socket := filepath.Join(home, "notify")
	s.manager, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { s.manager.Close() })
	s.Env, s.Stderr = environment(home, "NOTIFY_SOCKET="+socket), s.stderr
	if prepare != nil {
		prepare(s.Cmd)
	}
	stdout, err := s.StdoutPipe()
	must(t, err)
	must(t, s.Start())
	t.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = s.Wait()
		t.Fatalf("no greeting: %v\n%s", err, s.stderr)
	}
	var greeting struct{ Addresses []string }
	must(t, json.Unmarshal([]byte(line), &greeting))
	s.address = greeting.Addresses[0]
	s.hears(t, "READY=1")
	return s
}

// hears waits for a state that the service tells its manager.
func (s *running) hears(t *testing.T, want string) string {
	t.Helper()
	must(t, s.manager.SetReadDeadline(time.Now().Add(30*time.Second)))
	buffer := make([]byte, 4096)
	n, err := s.manager.Read(buffer)
	if err != nil || !strings.Contains(string(buffer[:n]), want) {
		t.Fatalf("told %q, %v, want %s\n%s", buffer[:n], err, want, s.stderr)
	}
	return string(buffer[:n])
}

func (s *running) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	must(t, s.Process.Signal(signal))
}

// reload has the configuration read again and waits until it is.
func (s *running) reload(t *testing.T) string {
	t.Helper()
	s.signal(t, syscall.SIGHUP)
	s.hears(t, "RELOADING=1")
	return s.hears(t, "READY=1")
}

// tool runs another command in the same home.
func (s *running) tool(t *testing.T, args ...string) result {
	t.Helper()
	cmd := command(t, args...)
	cmd.Env, cmd.Dir = environment(s.home), s.home
	return finish(t, cmd)
}

func (s *running) mustTool(t *testing.T, args ...string) string {
	t.Helper()
	r := s.tool(t, args...)
	if r.exit != 0 {
		t.Fatalf("alknet %s: exit %d, %s", strings.Join(args, " "), r.exit, r.stderr)
	}
	return r.stdout
}

// shortHome is a home whose name leaves room for a socket's.
func shortHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "alk")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(home) })
	return home
}

func TestServeAsAService(t *testing.T) {
	home := shortHome(t)
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer tcp.Close()
	port := tcp.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	must(t, err)
	defer udp.Close()
	s := serve(t, home, func(cmd *exec.Cmd) {
		for _, socket := range []interface{ File() (*os.File, error) }{tcp, udp} {
			file, err := socket.File()
			must(t, err)
			t.Cleanup(func() { file.Close() })
			cmd.ExtraFiles = append(cmd.ExtraFiles, file)
		}
		// The sockets are for the process that has this number.
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@"`, binary}, cmd.Args[1:]...)
		cmd.Path, err = exec.LookPath("sh")
		must(t, err)
	}, "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	s.mustTool(t, "key", "generate")
	s.mustTool(t, "authorize", s.publicKey(t))
	s.reload(t)
	if got := s.mustTool(t, "call", s.address, "/echo/echo", `{"x":1}`); got != "{\"x\":1}\n" {
		t.Errorf("printed %q", got)
	}
	writeFile(t, filepath.Join(home, "state", "alknet.toml"), "[limits]\nconection = 1\n", 0o600)
	if told := s.reload(t); !strings.Contains(told, `alknet.toml:2:1: limits.conection: unknown key: did you mean "connections"?`) {
		t.Errorf("told %q", told)
	}
	if got := s.mustTool(t, "call", s.address, "/echo/echo", "2"); got != "2\n" {
		t.Errorf("after a bad configuration: %q", got)
	}
	s.signal(t, syscall.SIGTERM)
	s.hears(t, "STOPPING=1")
	if err := s.Wait(); err != nil {
		t.Errorf("%v\n%s", err, s.stderr)
	}
}

// publicKey is the line of this user's key.
func (s *running) publicKey(t *testing.T) string {
	t.Helper()
	var shown struct{ PublicKey string }
	must(t, json.Unmarshal([]byte(s.mustTool(t, "key", "show", "--json")), &shown))
	return shown.PublicKey
}

func TestSocketNobodyAsksFor(t *testing.T) {
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer tcp.Close()
	file, err := tcp.File()
	must(t, err)
	defer file.Close()
	cmd := command(t, "serve", "--listen", "127.0.0.1:0")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, binary}, cmd.Args[1:]...)
	cmd.Path, err = exec.LookPath("sh")
	must(t, err)
	r := finish(t, cmd)
	if r.exit != 1 || !strings.Contains(r.stderr, "the service manager passes sockets that no listener has the address of: tcp 127.0.0.1:") {
		t.Errorf("exit %d, %s", r.exit, r.stderr)
	}
}

// An API key opens a session until it is revoked, and so does a certificate of an
// authority that ssh-keygen has made.
func TestCredentialsFromTheCommandLine(t *testing.T) {
	home := shortHome(t)
	s := serve(t, home, nil, "--listen", "127.0.0.1:0")
	call := func() result { return s.tool(t, "call", s.address, "/echo/echo", "1", "--token-file", "token") }
	var made struct{ Key, Prefix string }
	must(t, json.Unmarshal([]byte(s.mustTool(t, "apikey", "create", "--json", "--scopes", "ci", "--expires", "1h")), &made))
	writeFile(t, filepath.Join(home, "token"), made.Key+"\n", 0o600)
	if r := call(); r.exit != 1 {
		t.Errorf("before the node knows of the key: %+v", r)
	}
	s.reload(t)
	if r := call(); r.exit != 0 || r.stdout != "1\n" {
		t.Errorf("with the key: %+v", r)
	}
	if list := s.mustTool(t, "apikey", "list"); !strings.Contains(list, made.Prefix) || strings.Contains(list, made.Key) {
		t.Errorf("the list is %s", list)
	}
	s.mustTool(t, "apikey", "revoke", made.Prefix)
	s.reload(t)
	if r := call(); r.exit != 1 || !strings.Contains(r.stderr, "UNAUTHENTICATED") {
		t.Errorf("after it was revoked: %+v", r)
	}

	keygen := func(args ...string) {
		t.Helper()
		cmd := exec.Command("ssh-keygen", args...)
		cmd.Dir = home
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
		}
	}
	s.mustTool(t, "key", "generate")
	writeFile(t, filepath.Join(home, "state", "client_key.pub"), s.publicKey(t)+"\n", 0o600)
	keygen("-q", "-t", "ed25519", "-N", "", "-f", "ca")
	keygen("-q", "-s", "ca", "-I", "me", "-n", "dev", "-V", "-5m:+1h", "state/client_key.pub")
	mine := func() result { return s.tool(t, "call", s.address, "/echo/echo", "1") }
	if r := mine(); r.exit != 1 {
		t.Errorf("before the authority is trusted: %+v", r)
	}
	authority, err := os.ReadFile(filepath.Join(home, "ca.pub"))
	must(t, err)
	writeFile(t, filepath.Join(home, "state", "authorized_keys"), `cert-authority,principals="dev" `+string(authority), 0o600)
	s.reload(t)
	if r := mine(); r.exit != 0 || r.stdout != "1\n" {
		t.Errorf("with a certificate: %+v\n%s", r, s.stderr)
	}
	writeFile(t, filepath.Join(home, "state", "authorized_keys"), `cert-authority,principals="ops" `+string(authority), 0o600)
	s.reload(t)
	if r := mine(); r.exit != 1 || !strings.Contains(r.stderr, "the credential was refused") {
		t.Errorf("with another principal: %+v", r)
	}
	s.signal(t, syscall.SIGTERM)
	must(t, s.Wait())
	if !strings.Contains(s.stderr.String(), "method=certificate") || !strings.Contains(s.stderr.String(), "reason=wrong-principal") || strings.Contains(s.stderr.String(), made.Key) {
		t.Errorf("logged %s", s.stderr)
	}
}

// connectAll opens sessions with one authorized key.
func connectAll(t *testing.T, s *running, n int) []*node.Client {
	t.Helper()
	key, err := auth.GenerateKey()
	must(t, err)
	s.mustTool(t, "authorize", auth.MarshalPublicKey(key.Public().(ed25519.PublicKey), "load"))
	s.reload(t)
	clients := make([]*node.Client, n)
	for i := range clients {
		clients[i], err = node.Connect(context.Background(), node.ClientConfig{Address: s.address, Key: key, Registry: call.NewRegistry(), NoReconnect: true})
		must(t, err)
		t.Cleanup(func() { clients[i].Close(context.Background()) })
	}
	return clients
}

// SIGTERM under load: every call gets an answer, and the process ends well.
func TestTerminationUnderLoad(t *testing.T) {
	s := serve(t, shortHome(t), nil, "--listen", "127.0.0.1:0", "--drain", "5s")
	var ok, told, calls atomic.Int64
	loaded := make(chan struct{})
	var work sync.WaitGroup
	for _, client := range connectAll(t, s, 4) {
		for range 8 {
			work.Go(func() {
				for {
					if calls.Add(1) == 2000 {
						close(loaded)
					}
					_, err := client.Call(context.Background(), "/echo/echo", 1)
					switch {
					case err == nil:
						ok.Add(1)
					case call.CodeOf(err) == call.Unavailable:
						told.Add(1)
						return
					default:
						t.Errorf("a call ended with %v", err)
						return
					}
				}
			})
		}
	}
	<-loaded
	begun := time.Now()
	s.signal(t, syscall.SIGTERM)
	err := s.Wait()
	took := time.Since(begun)
	work.Wait()
	t.Logf("%d calls, %d answered, %d told that the node is shutting down; it took %v", calls.Load(), ok.Load(), told.Load(), took)
	if err != nil || s.ProcessState.ExitCode() != 0 {
		t.Errorf("%v\n%s", err, s.stderr)
	}
	if ok.Load()+told.Load() != calls.Load() {
		t.Error("a call has no answer")
	}
}

// The first signal waits for what runs; a second one does not.
func TestSecondSignal(t *testing.T) {
	s := serve(t, shortHome(t), nil, "--listen", "tcp://127.0.0.1:0", "--drain", "1h")
	client := connectAll(t, s, 1)[0]
	ticks, err := client.Subscribe(context.Background(), "/clock/ticks", map[string]int{"interval": 10})
	must(t, err)
	_, err = ticks.Next(context.Background())
	must(t, err)
	s.signal(t, syscall.SIGTERM)
	s.hears(t, "STOPPING=1")
	_, err = ticks.Next(context.Background()) // it goes on
	must(t, err)
	s.signal(t, syscall.SIGTERM)
	if err := s.Wait(); err == nil {
		t.Error("it ended well")
	}
	for {
		if _, err = ticks.Next(context.Background()); err != nil {
			break
		}
	}
	if err == io.EOF || call.CodeOf(err) != call.Unavailable {
		t.Errorf("the subscription ended with %v", err)
	}
}
