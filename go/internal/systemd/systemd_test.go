package systemd

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify(Ready); err != nil {
		t.Errorf("outside a service: %v", err)
	}
	names := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, "@alknet-test-"+strconv.Itoa(os.Getpid()))
	}
	for _, name := range names {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		must(t, err)
		defer manager.Close()
		t.Setenv("NOTIFY_SOCKET", name)
		must(t, Notify(Ready, Status("serving\n2\x1baddresses\u202e")))
		must(t, Notify(Reloading()))
		buffer := make([]byte, 256)
		n, err := manager.Read(buffer)
		if err != nil || string(buffer[:n]) != "READY=1\nSTATUS=serving 2 addresses " {
			t.Errorf("%q, %v", buffer[:n], err)
		}
		n, err = manager.Read(buffer)
		if err != nil || !regexp.MustCompile(`^RELOADING=1(\nMONOTONIC_USEC=[1-9][0-9]*)?$`).Match(buffer[:n]) {
			t.Errorf("%q, %v", buffer[:n], err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := Notify(Ready); err == nil {
		t.Error("nobody listens")
	}
}

func TestSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	stream, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	extra, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	var files []*os.File
	for _, socket := range []interface{ File() (*os.File, error) }{tcp, udp, stream, extra} {
		file, err := socket.File()
		must(t, err)
		files = append(files, file)
	}
	for _, socket := range []interface{ Close() error }{tcp, udp, extra} {
		must(t, socket.Close())
	}
	stream.SetUnlinkOnClose(false)
	must(t, stream.Close())
	s, err := fromFiles(files)
	must(t, err)
	if s.Listener("tcp", udp.LocalAddr().String()) != nil || s.PacketConn(tcp.Addr().String()) != nil || s.Listener("tcp", ":1") != nil {
		t.Error("a socket of another kind or address")
	}
	ln, packets, local := s.Listener("tcp", tcp.Addr().String()), s.PacketConn(udp.LocalAddr().String()), s.Listener("unix", path)
	if ln == nil || packets == nil || local == nil || s.Listener("tcp", tcp.Addr().String()) != nil {
		t.Fatal("not what was passed, or twice")
	}
	conn, err := net.Dial("tcp", tcp.Addr().String())
	must(t, err)
	must(t, conn.Close())
	must(t, ln.Close())
	must(t, packets.Close())
	must(t, local.Close())
	if _, err := os.Stat(path); err != nil {
		t.Error("the service manager's socket file was removed")
	}
	if s.Unused() != "tcp "+extra.Addr().String() {
		t.Errorf("unused: %s", s.Unused())
	}
	must(t, s.Close())
	if s.Unused() != "" {
		t.Error("closed")
	}
	var none *Sockets
	if none.Listener("tcp", ":1") != nil || none.PacketConn(":1") != nil || none.Unused() != "" || none.Close() != nil {
		t.Error("none")
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		bound, address string
		want           bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true}, {"127.0.0.1:1", "127.0.0.1:2", false}, {"127.0.0.1:1", ":1", false}, {"[::]:1", ":1", true},
		{"0.0.0.0:1", ":1", true}, {"[::]:1", "0.0.0.0:1", true}, {"[::1]:1", "[::1]:1", true}, {"[::ffff:127.0.0.1]:1", "127.0.0.1:1", true}, {"127.0.0.1:1", "localhost:1", false},
		{"127.0.0.1:1", "0.0.0.0:1", false}, {"127.0.0.1:1", "[::]:1", false}, {"[::1]:1", "0.0.0.0:1", false}, {"192.0.2.1:1", ":1", false}, {"0.0.0.0:1", "127.0.0.1:1", false},
		{"127.0.0.1:1", "[::ffff:127.0.0.1]:1", true},
	} {
		bound, err := net.ResolveTCPAddr("tcp", c.bound)
		must(t, err)
		if same(bound, c.address) != c.want {
			t.Errorf("%s and %s: %v", c.bound, c.address, !c.want)
		}
	}
}

func TestActivated(t *testing.T) {
	for _, c := range []struct {
		pid, fds string
		bad      bool
	}{{"", "", false}, {"1", "2", false}, {strconv.Itoa(os.Getpid()), "many", true}, {strconv.Itoa(os.Getpid()), "-1", true}, {strconv.Itoa(os.Getpid()), "0", false}} {
		t.Setenv("LISTEN_PID", c.pid)
		t.Setenv("LISTEN_FDS", c.fds)
		if _, err := Activated(); (err != nil) != c.bad {
			t.Errorf("%+v: %v", c, err)
		}
		if os.Getenv("LISTEN_FDS") != "" {
			t.Error("the variables are still there")
		}
	}
	file, err := os.Open(os.DevNull)
	must(t, err)
	if _, err := fromFiles([]*os.File{file}); err == nil {
		t.Error("a file that is no socket")
	}
}
