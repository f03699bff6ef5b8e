package transport

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// DefaultRaceDelay is how long QUIC may take before TLS is tried beside it.
	DefaultRaceDelay = 400 * time.Millisecond
	// DefaultTimeout bounds one Dial.
	DefaultTimeout = 10 * time.Second
	// DefaultMaxStreams is how many one-way streams the other side may have open.
	DefaultMaxStreams = 2048
)

// DialConfig configures Dial. The zero value dials without a key of its own.
type DialConfig struct {
	// Signer holds our Ed25519 key; nil presents no certificate.
	Signer crypto.Signer
	// RootCAs verify a node whose address pins no key; nil means the system's.
	RootCAs *x509.CertPool
	// Insecure accepts any certificate where the address pins no key. Each use is
	// logged as a warning.
	Insecure bool
	// Protocol is spoken in place of ALPN; "" means ALPN.
	Protocol string
	// Secure speaks TLS over a Unix socket too, so that both sides prove their keys.
	Secure bool
	// RaceDelay: 0 means DefaultRaceDelay.
	RaceDelay time.Duration
	// Timeout: 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxStreams: 0 means DefaultMaxStreams.
	MaxStreams int
	// Logger; nil discards.
	Logger *slog.Logger
}

// Dial connects to a node. A *PinMismatchError or a *RefusedError will not go away
// by trying again. A *RefusedError may also come from the first Read: see there.
func Dial(ctx context.Context, a Address, cfg DialConfig) (Conn, error) {
	if cfg.RaceDelay <= 0 {
		cfg.RaceDelay = DefaultRaceDelay
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = DefaultMaxStreams
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if cfg.Insecure && a.Peer == nil && a.Scheme != SchemeTCP && a.Scheme != SchemeUnix {
		cfg.Logger.Warn("insecure: the certificate of the node is not verified", "address", a.String())
	}
	switch a.Scheme {
	case SchemeAlknet:
		return race(ctx, a, cfg)
	case SchemeQUIC:
		return dialQUIC(ctx, a, cfg)
	case SchemeTLS:
		return dialTLS(ctx, a, cfg)
	case SchemeTCP:
		return dialPlain(ctx, "tcp", a.hostPort(), KindTCP)
	case SchemeUnix:
		if cfg.Secure {
			return dialTLSOver(ctx, a, cfg, "unix", a.Path, KindUnix)
		}
		return dialPlain(ctx, "unix", a.Path, KindUnix)
	}
	return nil, fmt.Errorf("dial %s: unknown scheme", a)
}

func dialPlain(ctx context.Context, network, address, kind string) (Conn, error) {
	conn, err := dialSocket(ctx, network, address)
	if err != nil {
		return nil, dialError(ctx, kind, address, err)
	}
	return newByteConn(conn, kind), nil
}

// dialError wraps what failed; the context's own error stays visible, which the
// net package hides behind a timeout of its own.
func dialError(ctx context.Context, kind, address string, err error) error {
	var dial *net.OpError
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else if errors.As(err, &dial) && dial.Op == "dial" {
		err = dial.Err // without a second naming of the address
	}
	return fmt.Errorf("dial %s %s: %w", kind, address, err)
}

func dialTLS(ctx context.Context, a Address, cfg DialConfig) (Conn, error) {
	return dialTLSOver(ctx, a, cfg, "tcp", a.hostPort(), KindTLS)
}

func dialTLSOver(ctx context.Context, a Address, cfg DialConfig, network, address, kind string) (Conn, error) {
	config, presented, pinned, err := clientTLS(a, cfg)
	if err != nil {
		return nil, err
	}
	raw, err := dialSocket(ctx, network, address)
	if err != nil {
		return nil, dialError(ctx, kind, address, err)
	}
	under := newByteConn(raw, kind)
	conn := tls.Client(under.Conn, config)
	err = conn.HandshakeContext(ctx)
	if err == nil {
		err = pinned.check()
	}
	if err != nil {
		_ = raw.Close()
		if mismatch := pinned.mismatch(); mismatch != nil {
			return nil, mismatch
		}
		return nil, dialError(ctx, kind, address, err)
	}
	return under.secured(conn, presented), nil
}

// dialQUIC tries all addresses of the host.
func dialQUIC(ctx context.Context, a Address, cfg DialConfig) (Conn, error) {
	addresses, err := lookup(ctx, a.Host)
	if err != nil {
		return nil, dialError(ctx, KindQUIC, a.hostPort(), err)
	}
	conn, err := firstOf(ctx, addresses, func(ctx context.Context, ip net.IPAddr) (*quicConn, error) {
		return dialQUICAddress(ctx, a, cfg, &net.UDPAddr{IP: ip.IP, Zone: ip.Zone, Port: int(a.Port)})
	}, func(late *quicConn) { _ = late.Close() })
	if err != nil {
		var mismatch *PinMismatchError
		if errors.As(err, &mismatch) {
			return nil, mismatch
		}
		return nil, dialError(ctx, KindQUIC, a.hostPort(), err)
	}
	return conn, nil
}

func dialQUICAddress(ctx context.Context, a Address, cfg DialConfig, remote *net.UDPAddr) (*quicConn, error) {
	config, presented, pinned, err := clientTLS(a, cfg)
	if err != nil {
		return nil, err
	}
	local := &net.UDPAddr{}
	if remote.IP.IsLoopback() {
		local.IP = remote.IP // loopback traffic needs no other interface
	}
	socket, err := net.ListenUDP("udp", local)
	if err != nil {
		return nil, err
	}
	transport := &quic.Transport{Conn: socket}
	fail := func(err error) (*quicConn, error) {
		_ = transport.Close()
		_ = socket.Close()
		if mismatch := pinned.mismatch(); mismatch != nil {
			return nil, mismatch
		}
		return nil, err
	}
	conn, err := transport.Dial(ctx, remote, config, clientQUICConfig(cfg.MaxStreams, 2*cfg.Timeout)) // ctx is to end it first
	if err != nil {
		return fail(err)
	}
	if err := pinned.check(); err != nil {
		_ = conn.CloseWithError(closedCode, "")
		return fail(err)
	}
	main, err := conn.OpenStreamSync(ctx)
	if err != nil {
		_ = conn.CloseWithError(closedCode, "")
		return fail(refusal(err, presented))
	}
	return &quicConn{
		conn: conn, main: main, key: keyOf(conn.ConnectionState().TLS.PeerCertificates), presented: presented,
		remote: remote, transport: transport, socket: socket,
	}, nil
}
