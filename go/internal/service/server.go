package service

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/transport"
)

// The scopes that a node's key needs at a service.
const (
	ScopeOperations = "service:operations" // invokes operations, on behalf of whom it says
	ScopeSecrets    = "service:secrets"    // uses the SecretService
	ScopeConfig     = "service:config"     // reads the configuration
)

// ServerConfig configures a Server. Key, Provider and at least one of Registry,
// Secrets and Config are required.
type ServerConfig struct {
	// Listen are addresses as transport.Listen takes them: unix:///path and quic://.
	Listen []string
	// Key is the service's Ed25519 key.
	Key crypto.Signer
	// Provider knows the keys of the nodes that may connect, and their scopes.
	Provider auth.IdentityProvider
	// Registry holds the operations that nodes may invoke. A node is believed on whose
	// behalf it does so: its handler's.
	Registry *call.Registry
	// Secrets and Config are offered where they are set.
	Secrets SecretService
	Config  ConfigService
	// Admission bounds what strangers may cost; nil means DefaultAdmission. Sessions and
	// failures of a connection are not counted.
	Admission *admission.Limits
	// MaxInFlight is how many requests of one connection may be unanswered at once: 0
	// means 1,024.
	MaxInFlight int
	// Agent names the software, as told to the other side.
	Agent string
	// Logger; nil discards.
	Logger *slog.Logger
}

// Server is a process's end of its connections with nodes. Its methods are safe for
// concurrent use.
type Server struct {
	cfg       ServerConfig
	id        ed25519.PublicKey
	listeners []*transport.Listener
	ctx       context.Context
	cancel    context.CancelFunc
	accepting sync.WaitGroup
	serving   sync.WaitGroup
	gate      *admission.Gate

	mu     sync.Mutex
	closed bool
	peers  map[*peer]struct{}
}

// Serve starts a server. It returns when every address is bound; ctx bounds the start
// only.
func Serve(ctx context.Context, cfg ServerConfig) (*Server, error) {
	id, ok := cfg.Key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the service's key is not an Ed25519 key")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = 1024
	}
	if cfg.Admission == nil {
		cfg.Admission = &DefaultAdmission
	}
	s := &Server{cfg: cfg, id: id, gate: admission.NewGate(), peers: map[*peer]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, address := range cfg.Listen {
		if err := supported(address); err != nil {
			_ = s.Close()
			return nil, err
		}
		ln, err := transport.Listen(ctx, address, transport.ListenConfig{
			Signer: cfg.Key, Gate: entrance{s}, Protocol: Protocol, Secure: true, Logger: cfg.Logger,
		})
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		s.listeners = append(s.listeners, ln)
		s.accepting.Go(func() { s.accept(ln) })
	}
	return s, nil
}

// supported reports whether services speak over the transport of an address.
func supported(address string) error {
	scheme, _, _ := strings.Cut(address, "://")
	if scheme != transport.SchemeUnix && scheme != transport.SchemeQUIC {
		return fmt.Errorf("address %q: a service is reached over unix:// or quic://", address)
	}
	return nil
}

func (s *Server) accept(ln *transport.Listener) {
	for {
		conn, err := ln.Accept(s.ctx)
		if err != nil {
			return // the listener is closed
		}
		s.serving.Go(func() { s.serve(conn) })
	}
}

// serve runs one connection to its end.
func (s *Server) serve(conn transport.Conn) {
	key := conn.PeerKey()
	if key == nil {
		s.refuse(conn, &auth.RejectError{Reason: "no-credential"})
		return
	}
	identity, err := s.cfg.Provider.IdentityFromKey(auth.ContextWithRemote(s.ctx, conn.RemoteAddr()), key)
	if err != nil {
		s.refuse(conn, err)
		return
	}
	conn.SignedIn()
	p := &peer{server: s, link: newLink(conn), requests: map[uint64]*incoming{}}
	p.identity.Store(identity)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		p.link.close(errors.New("the service is shutting down"))
		return
	}
	s.peers[p] = struct{}{}
	s.mu.Unlock()
	p.recheck() // who may connect may have changed since its key was judged
	defer p.gone()
	_ = p.link.send(typeHello, 0, helloBody{Agent: s.cfg.Agent})
	p.end(p.link.read(p.take))
	p.work.Wait()
	s.mu.Lock()
	delete(s.peers, p)
	s.mu.Unlock()
}

// refuse answers a node whose key does not do, and closes the connection once the node
// has read that.
func (s *Server) refuse(conn transport.Conn, why error) {
	s.rejected(conn.RemoteAddr(), why)
	refused := call.Errorf(call.Unauthenticated, "the key was refused")
	if answer, err := appendMessage(nil, typeFailed, 0, failedOf(refused)); err == nil {
		stop := context.AfterFunc(s.ctx, func() { _ = conn.Close() })
		defer stop()
		late := time.AfterFunc(farewell, func() { _ = conn.Close() })
		defer late.Stop()
		if _, err := conn.Write(answer); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxHello)) // until the node closes
		}
	}
	_ = conn.CloseWithReason(refused.Error())
}

// farewell is how long a node that was refused may take to read that, maxHello how many
// bytes of it are read meanwhile.
const (
	farewell = time.Second
	maxHello = 64 << 10
)

// Addresses returns where nodes reach the service, with its key pinned.
func (s *Server) Addresses() []string {
	addresses := make([]string, 0, len(s.listeners))
	for _, ln := range s.listeners {
		a := ln.Address()
		a.Peer = s.id
		addresses = append(addresses, a.String())
	}
	return addresses
}

// Shutdown stops listening, and lets requests finish until ctx ends; the rest fail
// with UNAVAILABLE. It returns when nothing of the server runs any more.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	peers := make([]*peer, 0, len(s.peers))
	for p := range s.peers {
		peers = append(peers, p)
	}
	s.mu.Unlock()
	for _, ln := range s.listeners {
		ln.Stop()
	}
	var ending sync.WaitGroup
	for _, p := range peers {
		ending.Go(func() { p.shutdown(ctx) })
	}
	ending.Wait()
	s.cancel()
	s.accepting.Wait()
	s.serving.Wait()
	var failed error
	for _, ln := range s.listeners {
		failed = errors.Join(failed, ln.Close())
	}
	return failed
}

// Close is Shutdown without waiting for requests.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return s.Shutdown(ctx)
}
