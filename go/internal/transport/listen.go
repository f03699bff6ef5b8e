package transport

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// DefaultHandshakeTimeout bounds the handshake of one connection.
	DefaultHandshakeTimeout = 10 * time.Second
	// DefaultOpenTimeout is the time for the first stream of a QUIC connection.
	DefaultOpenTimeout = 5 * time.Second
	// pairAttempts is how often another port is tried when the system's choice for
	// TCP is taken for UDP.
	pairAttempts = 20
)

// ListenConfig configures Listen. Signer is required for QUIC and TLS.
type ListenConfig struct {
	// Signer holds the node's Ed25519 key.
	Signer crypto.Signer
	// Certificate is shown instead of the self-signed one to clients that pin no key,
	// and so go by a CA; nil means none.
	Certificate *tls.Certificate
	// Gate bounds what strangers cost; nil bounds only how many there are at once.
	Gate Gate
	// Sockets are used in place of binding where they have the address; nil binds.
	Sockets Sockets
	// Protocol is spoken in place of ALPN; "" means ALPN.
	Protocol string
	// Secure has Unix sockets speak TLS too, so that both sides prove their keys.
	Secure bool
	// MaxStreams: 0 means DefaultMaxStreams.
	MaxStreams int
	// HandshakeTimeout: 0 means DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// OpenTimeout is how long the client of a QUIC connection may take, after the
	// handshake, to open its stream: 0 means DefaultOpenTimeout.
	OpenTimeout time.Duration
	// Logger; nil discards.
	Logger *slog.Logger
}

// Sockets are those that a service manager has bound. What they return is closed with
// the listener; nil is none for the address.
type Sockets interface {
	// Listener returns the stream socket for "host:port" of network tcp, or for a path
	// of network unix.
	Listener(network, address string) net.Listener
	// PacketConn returns the UDP socket for "host:port".
	PacketConn(address string) net.PacketConn
}

// Listener gives the connections of one address. It is safe for concurrent use.
type Listener struct {
	address           Address
	kinds             []string
	cfg               ListenConfig
	conns             chan Conn
	ctx               context.Context
	cancel            context.CancelFunc
	work              sync.WaitGroup
	stopped           atomic.Bool
	stops             []func() error // end accepting
	closers           []func() error // release everything
	stopping, closing sync.Once
	err               error
}

// Listen binds an address: "host:port" and alknet:// are UDP (QUIC) and TCP (TLS)
// on one port, the other schemes one transport. Port 0 lets the system choose. What
// was bound before something failed is released. ctx bounds the binding only.
func Listen(ctx context.Context, address string, cfg ListenConfig) (*Listener, error) {
	a, err := parseListen(address)
	if err != nil {
		return nil, err
	}
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = DefaultMaxStreams
	}
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if cfg.OpenTimeout <= 0 {
		cfg.OpenTimeout = DefaultOpenTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Gate == nil {
		cfg.Gate = &openGate{}
	}
	l := &Listener{address: a, cfg: cfg, conns: make(chan Conn)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if err := l.bind(ctx); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Listener) bind(ctx context.Context) error {
	switch l.address.Scheme {
	case SchemeAlknet:
		return l.bindPair(ctx)
	case SchemeQUIC:
		socket, err := l.bindUDP(ctx)
		if err != nil {
			return err
		}
		l.address.Port = uint16(socket.LocalAddr().(*net.UDPAddr).Port)
		return l.serveQUIC(socket)
	case SchemeTLS:
		ln, err := l.bindTCP(ctx)
		if err != nil {
			return err
		}
		return l.serveTLS(ln)
	case SchemeTCP:
		ln, err := l.bindTCP(ctx)
		if err != nil {
			return err
		}
		if !ln.Addr().(*net.TCPAddr).IP.IsLoopback() {
			l.cfg.Logger.Warn("plain TCP beyond loopback: tokens and payloads travel unencrypted", "address", l.address.String())
		}
		l.servePlain(ln, KindTCP)
		return nil
	default:
		ln := l.passed("unix", l.address.Path)
		if ln == nil {
			var err error
			if ln, err = listenUnix(ctx, l.address.Path); err != nil {
				return err
			}
		}
		if l.cfg.Secure {
			return l.serveTLSOver(ln, KindUnix)
		}
		l.servePlain(ln, KindUnix)
		return nil
	}
}

// bindPair binds one port for TCP and UDP.
func (l *Listener) bindPair(ctx context.Context) error {
	wanted := l.address.Port
	for attempt := 1; ; attempt++ {
		ln, err := l.bindTCP(ctx)
		if err != nil {
			return err
		}
		socket, err := l.bindUDP(ctx)
		if err != nil {
			_ = ln.Close()
			if wanted != 0 || attempt == pairAttempts {
				return err
			}
			l.address.Port = 0
			continue
		}
		if err := l.serveQUIC(socket); err != nil {
			_ = ln.Close()
			return err
		}
		return l.serveTLS(ln)
	}
}

// passed returns the stream socket that was bound for the listener already, or nil.
func (l *Listener) passed(network, address string) net.Listener {
	if l.cfg.Sockets == nil {
		return nil
	}
	return l.cfg.Sockets.Listener(network, address)
}

func (l *Listener) bindTCP(ctx context.Context) (net.Listener, error) {
	ln := l.passed("tcp", l.address.hostPort())
	if ln == nil {
		var config net.ListenConfig
		var err error
		if ln, err = config.Listen(ctx, "tcp", l.address.hostPort()); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", l.address, err)
		}
	}
	l.address.Port = uint16(ln.Addr().(*net.TCPAddr).Port)
	return ln, nil
}

func (l *Listener) bindUDP(ctx context.Context) (net.PacketConn, error) {
	if l.cfg.Sockets != nil {
		if socket := l.cfg.Sockets.PacketConn(l.address.hostPort()); socket != nil {
			return socket, nil
		}
	}
	var config net.ListenConfig
	socket, err := config.ListenPacket(ctx, "udp", l.address.hostPort())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", l.address, err)
	}
	return socket, nil
}

func (l *Listener) servePlain(ln net.Listener, kind string) {
	l.kinds = append(l.kinds, kind)
	l.stops = append(l.stops, ln.Close)
	l.run(func() {
		l.acceptLoop(ln, kind, func(conn *byteConn) { l.offer(conn) })
	})
}

func (l *Listener) serveTLS(ln net.Listener) error { return l.serveTLSOver(ln, KindTLS) }

func (l *Listener) serveTLSOver(ln net.Listener, kind string) error {
	l.stops = append(l.stops, ln.Close)
	config, err := serverTLS(l.cfg)
	if err != nil {
		return err
	}
	l.kinds = append(l.kinds, kind)
	l.run(func() {
		l.acceptLoop(ln, kind, func(under *byteConn) {
			ctx, cancel := context.WithTimeout(l.ctx, l.cfg.HandshakeTimeout)
			defer cancel()
			var shown claim
			conn := tls.Server(under.Conn, config)
			if err := conn.HandshakeContext(context.WithValue(ctx, claimKey{}, &shown)); err != nil {
				if shown.made.Load() && !broken(err) {
					l.cfg.Gate.Unproven(under.RemoteAddr())
				}
				l.cfg.Logger.Debug("handshake failed", "transport", kind, "addr", under.RemoteAddr().String(), "error", err)
				_ = under.Close()
				return
			}
			l.offer(under.secured(conn, nil))
		})
	})
	return nil
}

// acceptLoop has each connection prepared on a goroutine of its own.
func (l *Listener) acceptLoop(ln net.Listener, kind string, prepare func(*byteConn)) {
	for {
		raw, err := ln.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, most likely: try again when some are free.
			l.cfg.Logger.Warn("accept failed", "address", l.address.String(), "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-l.ctx.Done():
				return
			}
			continue
		}
		conn := newByteConn(raw, kind)
		pass, ok := l.cfg.Gate.Admit(raw.RemoteAddr(), func() { reset(raw) })
		if !ok {
			reset(raw)
			continue
		}
		conn.pass = pass
		l.run(func() { prepare(conn) })
	}
}

// reset closes a connection that is rejected or has to give way: the port is free at once.
func reset(raw net.Conn) {
	if socket, isTCP := raw.(*net.TCPConn); isTCP {
		_ = socket.SetLinger(0)
	}
	_ = raw.Close()
}

// broken reports whether a handshake failed because the connection did.
func broken(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// errRejected refuses a QUIC connection; the client sees CONNECTION_REFUSED.
var errRejected = errors.New("rejected")

// entrant is a QUIC connection from its first packet on. It is in the context of its
// handshake and of the connection.
type entrant struct {
	claim
	pass Pass
	conn atomic.Pointer[quic.Conn] // once the handshake is complete
	out  atomic.Bool               // it has to give way
}

type entrantKey struct{}

// giveWay closes the connection, at the latest when its handshake is complete.
func (e *entrant) giveWay() {
	e.out.Store(true)
	if conn := e.conn.Load(); conn != nil {
		_ = conn.CloseWithError(closedCode, "too many connections wait to be opened")
	}
}

// guard puts the gate before a QUIC transport, and closes it for good once the
// listener has stopped: without a quic.Listener its clients would hear nothing. admitted
// is called for each connection that is let in, with a context that ends with it.
func (l *Listener) guard(transport *quic.Transport, admitted func(ctx context.Context)) {
	transport.VerifySourceAddress = l.cfg.Gate.Suspicious
	transport.ConnContext = func(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
		if l.stopped.Load() {
			return nil, errRejected
		}
		e := &entrant{}
		pass, ok := l.cfg.Gate.Admit(info.RemoteAddr, e.giveWay)
		if !ok {
			return nil, errRejected
		}
		e.pass = pass
		context.AfterFunc(ctx, func() {
			pass.Release()
			var failed *quic.TransportError
			if errors.As(context.Cause(ctx), &failed) && !failed.Remote && failed.ErrorCode.IsCryptoError() && e.made.Load() {
				l.cfg.Gate.Unproven(info.RemoteAddr)
			}
		})
		admitted(ctx)
		return context.WithValue(context.WithValue(ctx, entrantKey{}, e), claimKey{}, &e.claim), nil
	}
}

func (l *Listener) serveQUIC(socket net.PacketConn) error {
	key, err := resetKey(l.cfg.Signer)
	if err != nil {
		_ = socket.Close()
		return fmt.Errorf("listen on %s: %w", l.address, err)
	}
	transport := &quic.Transport{Conn: socket, StatelessResetKey: key}
	// quic-go refuses a connection whose handshake is done while 32 others wait to be
	// accepted, which is soon so on a busy machine. Hence one goroutine accepts for each
	// connection that is let in, beside the one below.
	var accepting atomic.Pointer[quic.Listener]
	l.guard(transport, func(ctx context.Context) {
		if ln := accepting.Load(); ln != nil {
			l.run(func() { l.acceptQUIC(ctx, ln) })
		}
	})
	l.closers = append(l.closers, transport.Close, socket.Close)
	config, err := serverTLS(l.cfg)
	if err != nil {
		return err
	}
	ln, err := transport.Listen(config, serverQUICConfig(l.cfg.MaxStreams, l.cfg.HandshakeTimeout))
	if err != nil {
		return fmt.Errorf("listen on %s: %w", l.address, err)
	}
	l.kinds = append(l.kinds, KindQUIC)
	accepting.Store(ln)
	l.run(func() {
		for {
			conn, err := ln.Accept(l.ctx)
			if err != nil {
				return
			}
			l.run(func() { l.prepareQUIC(conn) })
		}
	})
	return nil
}

// acceptQUIC accepts one connection, which need not be the one that ctx belongs to.
func (l *Listener) acceptQUIC(ctx context.Context, ln *quic.Listener) {
	if conn, err := ln.Accept(ctx); err == nil {
		l.prepareQUIC(conn)
	}
}

// prepareQUIC waits for the main stream of a connection whose handshake is done.
func (l *Listener) prepareQUIC(conn *quic.Conn) {
	since := time.Now()
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.OpenTimeout)
	defer cancel()
	e := conn.Context().Value(entrantKey{}).(*entrant)
	if e.conn.Store(conn); e.out.Load() {
		e.giveWay()
		return
	}
	main, err := conn.AcceptStream(ctx)
	if err != nil {
		_ = conn.CloseWithError(closedCode, fmt.Sprintf("TIMEOUT: the session was not opened within %v", l.cfg.OpenTimeout))
		return
	}
	l.offer(&quicConn{conn: conn, main: main, key: keyOf(conn.ConnectionState().TLS.PeerCertificates), remote: conn.RemoteAddr(), pass: e.pass, since: since})
}

// run starts a goroutine of the listener. A defect that one connection meets is not to
// end the process, which may be somebody else's.
func (l *Listener) run(f func()) {
	l.work.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				l.cfg.Logger.Error("a connection met a defect", "address", l.address.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		f()
	})
}

func (l *Listener) offer(conn Conn) {
	select {
	case l.conns <- conn:
	case <-l.ctx.Done():
		_ = conn.CloseWithReason("the node is shutting down")
	}
}

// Accept returns the next connection whose handshake is complete. PeerKey is nil
// where the client presented no certificate or the transport has none. After Close
// the error is net.ErrClosed.
func (l *Listener) Accept(ctx context.Context) (Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Address returns what is bound, with the port that the system chose.
func (l *Listener) Address() Address { return l.address }

// Kinds returns the kinds of connections that the listener gives.
func (l *Listener) Kinds() []string { return l.kinds }

// Stop takes no further connections; those that Accept has given stay open, and
// clients that come now are refused. It is idempotent.
func (l *Listener) Stop() {
	l.stopping.Do(func() {
		l.stopped.Store(true)
		for _, stop := range l.stops {
			if err := stop(); err != nil && !errors.Is(err, net.ErrClosed) && l.err == nil {
				l.err = err
			}
		}
	})
}

// Close stops listening. Connections that Accept has given stay open, but for those
// over QUIC, which live on the listener's socket. It is idempotent, and returns when
// nothing of the listener runs any more.
func (l *Listener) Close() error {
	l.closing.Do(func() {
		l.cancel()
		l.Stop()
		for _, closer := range l.closers {
			if err := closer(); err != nil && !errors.Is(err, net.ErrClosed) && l.err == nil {
				l.err = err
			}
		}
		l.work.Wait()
	})
	return l.err
}
