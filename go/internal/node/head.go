package node

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/frameif"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/route"
	"github.com/alkdev/alknet/go/internal/transport"
)

const (
	// DefaultListen is where a head listens unless told otherwise: loopback only.
	DefaultListen = "127.0.0.1:4433"
	// DefaultDrain is how long a shutdown lets calls finish.
	DefaultDrain = 5 * time.Second
)

// HeadConfig configures a head. Key, Provider and Registry are required. Provider,
// AllowAnonymous, Admission, Limits and Drain are the first Policy.
type HeadConfig struct {
	// Listen are addresses as transport.Listen takes them; none means DefaultListen.
	Listen []string
	// Key is the node's Ed25519 principal key.
	Key crypto.Signer
	// Provider says who may connect.
	Provider auth.IdentityProvider
	// AllowAnonymous lets callers without a known credential reach operations
	// without requirements. Default: they are refused at the handshake.
	AllowAnonymous bool
	// Registry answers requests. Serve adds the operations of a head to it, by which
	// workers register and callers reach them (package route).
	Registry *call.Registry
	// Access are rules of this node's own, for its operations and those behind it; nil
	// leaves those that the registry has.
	Access []call.AccessRule
	// Nodes bounds what workers may register; the zero value means the defaults.
	Nodes route.Limits
	// Agent names the software, as told to the other side.
	Agent string
	// Logger; nil discards.
	Logger *slog.Logger
	// Sockets are those that a service manager has bound; nil for none.
	Sockets transport.Sockets
	// Certificate is shown instead of the key's own to clients that pin no key.
	Certificate *tls.Certificate
	// Admission bounds what strangers may cost; the zero value bounds nothing.
	Admission admission.Limits
	// Limits of each session; the zero value means the defaults.
	Limits call.Limits
	// Drain is how long Shutdown lets calls finish: 0 means DefaultDrain.
	Drain time.Duration
	// OnSession, if set, is called on a goroutine of its own for each session that
	// opens, before SessionClosed is for the same one.
	OnSession func(*Session)
	// OnSessionClosed, if set, is called when a session has ended.
	OnSessionClosed func(*Session)
	// AfterBatch is call.Config.AfterBatch of each session.
	AfterBatch func()
	// OnReject, if set, is told of each credential that was refused, and OnTurnedAway
	// of each connection that was not let in. They must not block.
	OnReject     func(Rejection)
	OnTurnedAway func(remote net.Addr, reason string)
	// OnNode, if set, is told of each node that joins, changes or leaves: see
	// route.Config.OnChange.
	OnNode func(route.Event)
}

// Rejection is a credential that was refused.
type Rejection struct {
	Address string // without a port; "unix" for a Unix socket
	Method  string // "key", "token", "certificate" or "none"
	Claimed string // whose it says it is: a fingerprint or the prefix of an API key; "" when that is not known
	Reason  string // one word
}

// Session is a session of a head with what its transport tells of it.
type Session struct {
	*call.Session
	Transport string            // "quic", "tls", "tcp" or "unix"
	Remote    net.Addr          // the other side's address
	Key       ed25519.PublicKey // the other side's key, nil if it proved none

	client *Client // nil for a session of a head

	attaching  sync.Mutex
	attachment any

	revoking sync.Once
	onExpiry func()

	judging sync.Mutex
	expiry  *time.Timer // of the credential; nil while it has no end
	ended   bool
}

// Attachment returns what the first call's make returned: what an application keeps with
// the session. It may be called before the session has opened.
func (s *Session) Attachment(make func() any) any {
	s.attaching.Lock()
	defer s.attaching.Unlock()
	if s.attachment == nil {
		s.attachment = make()
	}
	return s.attachment
}

// Head is a node that listens. Its methods are safe for concurrent use.
type Head struct {
	cfg       HeadConfig
	id        ed25519.PublicKey
	table     *route.Table
	listeners []*transport.Listener
	ctx       context.Context
	cancel    context.CancelFunc
	accepting sync.WaitGroup
	serving   sync.WaitGroup
	policy    atomic.Pointer[Policy]
	gate      *admission.Gate
	kept      call.Budget  // what the requests of all sessions keep
	waiting   atomic.Int64 // requests that wait for the nodes at the other sides

	mu       sync.Mutex
	draining context.Context // bounds the drain; nil until Shutdown
	sessions map[*Session]struct{}
}

var errNotEd25519 = errors.New("the node's key is not an Ed25519 key")

// Serve starts a head. It returns when every address is bound; if one cannot be,
// the others are released again. ctx bounds the start only.
func Serve(ctx context.Context, cfg HeadConfig) (*Head, error) {
	id, ok := cfg.Key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errNotEd25519
	}
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{DefaultListen}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	table, err := routing(cfg)
	if err != nil {
		return nil, err
	}
	heapFloor()
	h := &Head{cfg: cfg, id: id, table: table, gate: admission.NewGate(), sessions: map[*Session]struct{}{}}
	h.kept.SetLimits(cfg.Limits)
	h.policy.Store(&Policy{Provider: cfg.Provider, AllowAnonymous: cfg.AllowAnonymous, Admission: cfg.Admission, Limits: cfg.Limits, Drain: cfg.Drain})
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for _, address := range cfg.Listen {
		ln, err := transport.Listen(ctx, address, transport.ListenConfig{
			Signer: cfg.Key, Certificate: cfg.Certificate, Gate: entrance{h}, Sockets: cfg.Sockets, OpenTimeout: cfg.Limits.OpenTimeout, Logger: cfg.Logger,
		})
		if err != nil {
			h.cancel()
			for _, bound := range h.listeners {
				_ = bound.Close()
			}
			return nil, err
		}
		h.listeners = append(h.listeners, ln)
	}
	for _, ln := range h.listeners {
		h.accepting.Go(func() { h.accept(ln) })
	}
	return h, nil
}

// routing gives the registry its table of nodes, unless it has one already.
func routing(cfg HeadConfig) (*route.Table, error) {
	if cfg.Access != nil {
		if err := cfg.Registry.SetAccessRules(cfg.Access); err != nil {
			return nil, err
		}
	}
	if table, ok := cfg.Registry.Router().(*route.Table); ok {
		return table, nil
	}
	return route.New(route.Config{Registry: cfg.Registry, Limits: cfg.Nodes, Logger: cfg.Logger, OnChange: cfg.OnNode})
}

// Table returns the head's table of nodes.
func (h *Head) Table() *route.Table { return h.table }

func (h *Head) accept(ln *transport.Listener) {
	for {
		conn, err := ln.Accept(h.ctx)
		if err != nil {
			return // the listener is closed
		}
		h.serving.Go(func() {
			defer h.recover(conn)
			h.serve(conn)
		})
	}
}

// recover makes a defect the end of the connection that met it.
func (h *Head) recover(conn transport.Conn) {
	if p := recover(); p != nil {
		h.cfg.Logger.Error("a connection met a defect", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		_ = conn.Close()
	}
}

// serve opens the session of one connection. Nothing of the head runs for a session
// that is idle: what comes at its end is called then.
func (h *Head) serve(conn transport.Conn) {
	policy := h.policy.Load()
	s := &Session{Transport: conn.Kind(), Remote: conn.RemoteAddr(), Key: conn.PeerKey()}
	d := &door{head: h, remote: conn.RemoteAddr()}
	inner, err := frameif.Accept(h.ctx, conn, d, call.Config{
		Registry: h.cfg.Registry, Limits: policy.Limits, Logger: h.cfg.Logger, AllowAnonymous: policy.AllowAnonymous,
		Node: principal.EndpointID(h.id), Agent: h.cfg.Agent, Origin: auth.Host(conn.RemoteAddr()), AfterBatch: h.cfg.AfterBatch, Owner: s,
		Kept: &h.kept, Waiting: &h.waiting,
	})
	if err != nil {
		if call.CodeOf(err) == call.Unauthenticated {
			d.refuse()
		}
		return
	}
	conn.SignedIn()
	s.Session = inner
	s.onExpiry = func() { h.recheck(s) }
	id := s.Identity()
	if id != nil && !h.gate.Enter(&policy.Admission, id.ID) {
		s.End(call.Errorf(call.ResourceExhausted, "this identity has as many sessions as it may have: close one of them"))
		return
	}
	draining := h.enter(s)
	told := make(chan struct{})
	defer close(told)
	h.serving.Add(1)
	context.AfterFunc(s.Context(), func() {
		defer h.serving.Done()
		defer h.recover(conn)
		<-s.Done()
		<-told
		if id != nil {
			h.gate.Exit(id.ID)
		}
		if draining == nil {
			h.left(s)
		}
	})
	switch {
	case draining != nil:
		s.Shutdown(draining, shuttingDown) // its calls may have begun
	case h.cfg.OnSession != nil:
		h.cfg.OnSession(s)
	}
}

// left forgets a session that has ended.
func (h *Head) left(s *Session) {
	s.stopWatching()
	h.mu.Lock()
	delete(h.sessions, s)
	h.mu.Unlock()
	if h.cfg.OnSessionClosed != nil {
		h.cfg.OnSessionClosed(s)
	}
}

// enter makes the session one of the head's. A head that is closing returns the
// context that bounds the drain instead.
func (h *Head) enter(s *Session) (draining context.Context) {
	h.mu.Lock()
	if h.draining != nil {
		h.mu.Unlock()
		return h.draining
	}
	h.sessions[s] = struct{}{}
	h.mu.Unlock()
	// The policy may have changed since its credential was looked at.
	h.recheck(s)
	return nil
}

// EndpointID returns the node's endpoint id.
func (h *Head) EndpointID() string { return principal.EndpointID(h.id) }

// Fingerprint returns the fingerprint of the node's key.
func (h *Head) Fingerprint() string { return principal.Fingerprint(h.id) }

// Addresses returns where clients reach the head, one address a listener, with the
// key pinned: alknet://<endpoint-id>@host:port and the like. A listener on every
// address of the machine is reached by the machine's name.
func (h *Head) Addresses() []string {
	addresses := make([]string, 0, len(h.listeners))
	for _, ln := range h.listeners {
		a := ln.Address()
		a.Peer = h.id
		if ip := net.ParseIP(a.Host); a.Scheme != transport.SchemeUnix && (a.Host == "" || ip != nil && ip.IsUnspecified()) {
			a.Host = "localhost"
			if name, err := os.Hostname(); err == nil {
				a.Host = name
			}
		}
		addresses = append(addresses, a.String())
	}
	return addresses
}

// Sessions returns the sessions that are open now.
func (h *Head) Sessions() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		all = append(all, s)
	}
	return all
}

const shuttingDown = "the node is shutting down"

// Shutdown stops listening, tells every session, and lets calls finish until ctx
// ends, or for Policy.Drain where ctx has no deadline; the rest fail with
// UNAVAILABLE. It returns when nothing of the head runs any more. A second call
// waits for the first.
func (h *Head) Shutdown(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		drain := h.policy.Load().Drain
		if drain <= 0 {
			drain = DefaultDrain
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, drain)
		defer cancel()
	}
	h.mu.Lock()
	first := h.draining == nil
	if first {
		h.draining = ctx
	}
	h.mu.Unlock()
	if first {
		for _, ln := range h.listeners {
			ln.Stop()
		}
		var ending sync.WaitGroup
		for _, s := range h.Sessions() {
			ending.Go(func() { s.Shutdown(ctx, shuttingDown) })
		}
		ending.Wait()
		h.cancel()
	}
	// QUIC sessions live on the listener's socket, those too that were being opened:
	// without it, the other side would not be told of their end.
	h.accepting.Wait()
	h.serving.Wait()
	var failed error
	for _, ln := range h.listeners {
		if err := ln.Close(); err != nil && failed == nil {
			failed = fmt.Errorf("close %s: %w", ln.Address(), err)
		}
	}
	return failed
}

// Close is Shutdown without waiting for calls.
func (h *Head) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return h.Shutdown(ctx)
}
