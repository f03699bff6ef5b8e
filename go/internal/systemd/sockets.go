package systemd

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// firstSocket is the number of the first descriptor that is passed.
const firstSocket = 3

// maxSockets bounds what LISTEN_FDS may say.
const maxSockets = 1024

// Sockets are those that the service manager has bound for this process. A nil
// *Sockets has none. It is safe for concurrent use.
type Sockets struct {
	mu     sync.Mutex
	unused []passed
}

type passed struct {
	addr     net.Addr
	listener net.Listener   // of a stream socket
	packets  net.PacketConn // of a datagram socket
}

// Activated takes the sockets that were passed to this process, or returns nil
// where there are none. It is called once: the variables are removed, because children
// have not been passed anything.
func Activated() (*Sockets, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS is %q: want a number of sockets", fds)
	}
	files := make([]*os.File, n)
	for i := range files {
		files[i] = os.NewFile(uintptr(firstSocket+i), "socket "+strconv.Itoa(firstSocket+i))
	}
	return fromFiles(files)
}

// fromFiles takes sockets, and closes the files.
func fromFiles(files []*os.File) (*Sockets, error) {
	s := &Sockets{}
	var failed error
	for _, file := range files {
		p, err := take(file)
		_ = file.Close() // what was taken is a duplicate, closed on exec
		if err != nil {
			failed = fmt.Errorf("%s, passed by the service manager, cannot be listened on: %w", file.Name(), err)
			continue
		}
		s.unused = append(s.unused, p)
	}
	if failed != nil {
		_ = s.Close()
		return nil, failed
	}
	return s, nil
}

func take(file *os.File) (passed, error) {
	if ln, err := net.FileListener(file); err == nil {
		return passed{addr: ln.Addr(), listener: ln}, nil
	}
	packets, err := net.FilePacketConn(file)
	if err != nil {
		return passed{}, err
	}
	return passed{addr: packets.LocalAddr(), packets: packets}, nil
}

// Listener returns the stream socket for an address, "host:port" of tcp or a path of
// unix, or nil. Each is returned once; the caller closes it.
func (s *Sockets) Listener(network, address string) net.Listener {
	if p := s.find(network, address, func(p passed) bool { return p.listener != nil }); p != nil {
		return p.listener
	}
	return nil
}

// PacketConn returns the datagram socket for "host:port", or nil, as Listener does.
func (s *Sockets) PacketConn(address string) net.PacketConn {
	if p := s.find("udp", address, func(p passed) bool { return p.packets != nil }); p != nil {
		return p.packets
	}
	return nil
}

func (s *Sockets) find(network, address string, kind func(passed) bool) *passed {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.unused, func(p passed) bool { return kind(p) && p.addr.Network() == network && same(p.addr, address) })
	if i < 0 {
		return nil
	}
	found := s.unused[i]
	s.unused = slices.Delete(s.unused, i, i+1)
	return &found
}

// same reports whether a socket is bound to the address that a listener names; no
// host, or an unspecified one, is every address of the machine.
func same(bound net.Addr, address string) bool {
	if bound.Network() == "unix" {
		return bound.String() == address
	}
	at, err := netip.ParseAddrPort(bound.String())
	host, port, splitErr := net.SplitHostPort(address)
	if err != nil || splitErr != nil || port != strconv.Itoa(int(at.Port())) {
		return false
	}
	if host == "" {
		return at.Addr().IsUnspecified()
	}
	wanted, err := netip.ParseAddr(host)
	return err == nil && (wanted.Unmap() == at.Addr().Unmap() || wanted.IsUnspecified() && at.Addr().IsUnspecified())
}

// Unused names the sockets that nobody has asked for.
func (s *Sockets) Unused() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.unused))
	for i, p := range s.unused {
		names[i] = p.addr.Network() + " " + p.addr.String()
	}
	return strings.Join(names, ", ")
}

// Close closes the sockets that nobody has asked for.
func (s *Sockets) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.unused {
		if p.listener != nil {
			_ = p.listener.Close()
		} else {
			_ = p.packets.Close()
		}
	}
	s.unused = nil
	return nil
}
