package transport

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/go/internal/principal"
)

// DefaultPort is the port of an address that names none.
const DefaultPort = 4433

// The schemes of addresses.
const (
	SchemeAlknet = "alknet" // QUIC first, TLS raced after a moment
	SchemeQUIC   = "quic"
	SchemeTLS    = "tls"
	SchemeTCP    = "tcp"
	SchemeUnix   = "unix"
)

// Address names a node: alknet://<endpoint-id>@host:port, the same with quic, tls
// or tcp to force one transport, or unix://<endpoint-id>@/path.
type Address struct {
	Scheme string
	// Peer is the key that the node must have; nil pins none, and then QUIC and TLS
	// demand a certificate that a CA vouches for.
	Peer ed25519.PublicKey
	Host string // without brackets; "" of a Unix socket
	Port uint16 // 0 only when listening: the system chooses
	Path string // of a Unix socket, absolute
}

// ParseAddress reads an address to dial.
func ParseAddress(s string) (Address, error) {
	a, err := parse(s)
	if err == nil && a.Scheme != SchemeUnix && a.Port == 0 {
		err = fmt.Errorf("address %q: port 0 cannot be dialled", s)
	}
	if err == nil && a.Scheme != SchemeUnix && a.Host == "" {
		err = fmt.Errorf("address %q names no host", s)
	}
	if err != nil {
		return Address{}, err
	}
	return a, nil
}

// CheckListen reports why an address cannot be one to listen on, or nil.
func CheckListen(address string) error {
	_, err := parseListen(address)
	return err
}

// parseListen reads an address to listen on; without a scheme it is host:port.
func parseListen(s string) (Address, error) {
	if !strings.Contains(s, "://") {
		s = SchemeAlknet + "://" + s
	}
	a, err := parse(s)
	if err == nil && a.Peer != nil {
		err = fmt.Errorf("address %q: an address to listen on names no endpoint id", s)
	}
	return a, err
}

func parse(s string) (Address, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Address{}, fmt.Errorf("address %q has no scheme: want alknet://<endpoint-id>@host:port", s)
	}
	a := Address{Scheme: scheme}
	switch scheme {
	case SchemeAlknet, SchemeQUIC, SchemeTLS, SchemeTCP, SchemeUnix:
	default:
		return a, fmt.Errorf("address %q: scheme %q is not one of alknet, quic, tls, tcp and unix", s, scheme)
	}
	if user, host, ok := strings.Cut(rest, "@"); ok && !strings.Contains(user, "/") {
		key, err := principal.ParseEndpointID(user)
		if err != nil {
			return a, fmt.Errorf("address %q: %w", s, err)
		}
		a.Peer, rest = key, host
	}
	if scheme == SchemeUnix {
		if !strings.HasPrefix(rest, "/") || strings.ContainsRune(rest, 0) || len(rest) > maxUnixPath {
			return a, fmt.Errorf("address %q: want unix:///path, absolute and at most %d bytes", s, maxUnixPath)
		}
		a.Path = rest
		return a, nil
	}
	return a, a.parseHostPort(s, rest)
}

// maxUnixPath is what sockaddr_un holds on every system (unix(7): 108 with its NUL
// on Linux, 104 elsewhere).
const maxUnixPath = 103

func (a *Address) parseHostPort(s, rest string) error {
	if strings.ContainsAny(rest, "/?#@ ") {
		return fmt.Errorf("address %q: nothing may follow host:port", s)
	}
	host, text, hasPort := rest, "", false
	if inner, ok := strings.CutPrefix(rest, "["); ok {
		after, found := "", false
		host, after, found = strings.Cut(inner, "]")
		host = strings.Replace(host, "%25", "%", 1) // as URLs write the sign before a zone (RFC 6874)
		if !found || !ipv6(host) {
			return fmt.Errorf("address %q: want an IPv6 address in brackets, and a port behind them", s)
		}
		if text, hasPort = strings.CutPrefix(after, ":"); !hasPort && after != "" {
			return fmt.Errorf("address %q: only a port may follow the brackets", s)
		}
	} else if host, text, hasPort = strings.Cut(rest, ":"); strings.Contains(text, ":") {
		return fmt.Errorf("address %q: want host:port, an IPv6 address in brackets", s)
	} else if !hostName(host) {
		return fmt.Errorf("address %q: %q is not a host name or an IP address", s, host)
	}
	a.Host, a.Port = host, DefaultPort
	switch port, err := strconv.ParseUint(text, 10, 16); {
	case hasPort && text == "":
		return fmt.Errorf("address %q: the port is missing", s)
	case hasPort && err != nil:
		return fmt.Errorf("address %q: port %q is not a number from 0 to 65535", s, text)
	case hasPort:
		a.Port = uint16(port)
	}
	return nil
}

// ipv6 reports whether host is an IPv6 address, with or without a zone (RFC 4007): the
// name or number of an interface.
func ipv6(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is6() && !strings.ContainsFunc(addr.Zone(), func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`/[]%"\`, r)
	})
}

// hostName refuses what no name or IPv4 address has.
func hostName(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`[]%<>"\^|{}`+"`", r) })
}

// String gives the address in the form that ParseAddress reads.
func (a Address) String() string {
	var b strings.Builder
	b.WriteString(a.Scheme)
	b.WriteString("://")
	if a.Peer != nil {
		b.WriteString(principal.EndpointID(a.Peer))
		b.WriteByte('@')
	}
	if a.Scheme == SchemeUnix {
		b.WriteString(a.Path)
	} else {
		b.WriteString(a.hostPort())
	}
	return b.String()
}

func (a Address) hostPort() string { return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port))) }
