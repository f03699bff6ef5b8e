package node

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/frameif"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
)

// ClientConfig configures a client. Address and Registry are required.
type ClientConfig struct {
	// Address of the head, as transport.ParseAddress takes it.
	Address string
	// Key is the client's Ed25519 principal key; nil connects without one.
	Key crypto.Signer
	// Token is sent where the transport proves no key; "" makes one from Key.
	Token string
	// Certificate is an OpenSSH user certificate of Key, a line of text; "" for none.
	Certificate string
	// Registry answers the head's requests. Its handlers reach what it does not hold
	// on the head (call.Request.Invoke); where several clients share one, on the head
	// of the client that connected last.
	Registry *call.Registry
	// PeerScopes are granted to the head for its requests. Default: none.
	PeerScopes []string
	// RootCAs verify a head whose key the address does not pin; nil means the
	// system's. Insecure skips that, and is logged as a warning each time.
	RootCAs  *x509.CertPool
	Insecure bool
	// Timeout bounds each attempt to connect: 0 means 10 s.
	Timeout time.Duration
	// NoReconnect ends the client with its first session.
	NoReconnect bool
	// Agent names the software, as told to the head.
	Agent string
	// Logger; nil discards.
	Logger *slog.Logger
	// Limits of the session; the zero value means the defaults.
	Limits call.Limits
	// OnState, if set, is told of each loss and return of the session and of the end,
	// one at a time. It must not block and must not call the client's Close.
	OnState func(State)
	// AfterBatch is call.Config.AfterBatch.
	AfterBatch func()
}

// defaultTimeout bounds an attempt to connect.
const defaultTimeout = 10 * time.Second

// Status is what a State tells.
type Status int

// The states of a client after it has connected.
const (
	Disconnected Status = iota // the session was lost; the client tries again
	Reconnected                // a new session is open
	Closed                     // the client has ended
	Left                       // the head does not know the node by its name any more: see Client.Join
)

// State is a change of a client's state.
type State struct {
	Status Status
	Err    error    // why: of Disconnected, of Left, and of Closed unless Close was called
	Peer   *Session // the new session: of Reconnected
}

// Client is a node that dials a head and stays connected. Nothing is sent again by
// itself: requests that were pending when the session was lost fail with
// UNAVAILABLE. Its methods are safe for concurrent use.
type Client struct {
	cfg     ClientConfig
	address transport.Address
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}

	members sync.WaitGroup
	telling sync.Mutex // OnState is called one at a time

	mu         sync.Mutex
	session    *Session // nil while disconnected
	closing    bool
	membership *membership // nil unless joined
}

// Connect dials a head and returns when the session is open, or with the error of
// the attempt. ctx bounds the attempt only.
func Connect(ctx context.Context, cfg ClientConfig) (*Client, error) {
	address, err := transport.ParseAddress(cfg.Address)
	if err != nil {
		return nil, call.Errorf(call.InvalidInput, "%w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	heapFloor()
	c := &Client{cfg: cfg, address: address, done: make(chan struct{})}
	session, err := c.dial(ctx)
	if err != nil {
		var sure refusedForSure
		if errors.As(err, &sure) {
			err = sure.error
		}
		return nil, err
	}
	c.session = session
	c.ctx, c.cancel = context.WithCancel(context.Background())
	cfg.Registry.SetUpstream(c.upstream)
	go c.run(session)
	return c, nil
}

func (c *Client) upstream() (*call.Session, error) {
	s, err := c.Session()
	if err != nil {
		return nil, err
	}
	return s.Session, nil
}

// refusedForSure is an attempt that the node refused in its answer to session.open: trying
// again would only repeat it. An alert of TLS or a key that is another one is no such
// answer: anybody on the path can send the one, and another node may stand at the address
// for a moment.
type refusedForSure struct{ error }

func (e refusedForSure) Unwrap() error { return e.error }

// dial makes one attempt. Its errors are *call.Error, in a refusedForSure where that is so.
func (c *Client) dial(ctx context.Context) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, err := transport.Dial(ctx, c.address, transport.DialConfig{
		Signer: c.cfg.Key, RootCAs: c.cfg.RootCAs, Insecure: c.cfg.Insecure, Timeout: c.cfg.Timeout, Logger: c.cfg.Logger,
	})
	if err != nil {
		return nil, dialError(err)
	}
	s := &Session{Transport: conn.Kind(), Remote: conn.RemoteAddr(), Key: conn.PeerKey(), client: c}
	inner, err := frameif.Open(ctx, conn, c.address.Peer, frameif.Credential{Signer: c.cfg.Key, Token: c.cfg.Token, Certificate: c.cfg.Certificate}, c.cfg.PeerScopes, call.Config{
		Registry: c.cfg.Registry, Limits: c.cfg.Limits, Logger: c.cfg.Logger, Agent: c.cfg.Agent, AfterBatch: c.cfg.AfterBatch, Owner: s,
	})
	if err != nil {
		var mismatch *transport.PinMismatchError
		stated := errors.As(err, &mismatch)
		if err = dialError(err); call.CodeOf(err) == call.Unauthenticated && !stated {
			err = refusedForSure{err}
		}
		return nil, err
	}
	s.Session = inner
	return s, nil
}

// dialError gives a failed attempt its code.
func dialError(err error) error {
	var refused *transport.RefusedError
	var mismatch *transport.PinMismatchError
	var coded *call.Error
	switch {
	case errors.As(err, &refused):
		return call.Errorf(call.Unauthenticated, "%w", refused)
	case errors.As(err, &mismatch):
		return call.Errorf(call.Unauthenticated, "%w", mismatch)
	case errors.As(err, &coded):
		return coded
	case errors.Is(err, context.DeadlineExceeded):
		return call.Errorf(call.Timeout, "%w", err)
	case errors.Is(err, context.Canceled):
		return call.Errorf(call.Aborted, "%w", err)
	}
	return call.Errorf(call.Unavailable, "%w", err)
}

// run follows the session, and replaces it when it is lost.
func (c *Client) run(session *Session) {
	defer close(c.done)
	defer func() {
		c.mu.Lock()
		c.closing = true // Join starts nothing any more
		c.mu.Unlock()
		c.cancel()
		c.members.Wait()
	}()
	for {
		<-session.Done()
		c.mu.Lock()
		c.session = nil
		closing := c.closing
		c.mu.Unlock()
		c.disconnected()
		cause := session.Err()
		if closing {
			c.tell(State{Status: Closed})
			return
		}
		if c.cfg.NoReconnect {
			c.tell(State{Status: Closed, Err: cause})
			return
		}
		c.tell(State{Status: Disconnected, Err: cause})
		next, err := c.redial()
		if err != nil {
			if c.ctx.Err() != nil {
				err = nil
			}
			c.tell(State{Status: Closed, Err: err})
			return
		}
		session = next
		c.tell(State{Status: Reconnected, Peer: session})
		c.reconnected()
	}
}

func (c *Client) tell(state State) {
	if c.cfg.OnState != nil {
		c.telling.Lock()
		defer c.telling.Unlock()
		c.cfg.OnState(state)
	}
}

// redial tries until a session is open, the head refuses for good, or Close.
func (c *Client) redial() (*Session, error) {
	var pause backoff
	for {
		if !pause.wait(c.ctx) {
			return nil, c.ctx.Err()
		}
		session, err := c.dial(c.ctx)
		if err != nil {
			var sure refusedForSure
			if errors.As(err, &sure) {
				return nil, sure.error
			}
			if c.ctx.Err() != nil {
				return nil, err
			}
			level := slog.LevelInfo
			var mismatch *transport.PinMismatchError
			if errors.As(err, &mismatch) {
				level = slog.LevelError
			}
			c.cfg.Logger.Log(c.ctx, level, "reconnect failed", "address", c.address.String(), "error", err)
			continue
		}
		c.mu.Lock()
		if c.closing {
			c.mu.Unlock()
			session.Close("the client is closing")
			return nil, context.Canceled
		}
		c.session = session
		c.mu.Unlock()
		return session, nil
	}
}

// Session returns the session that is open now, or an UNAVAILABLE error.
func (c *Client) Session() (*Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.session != nil:
		return c.session, nil
	case c.closing:
		return nil, call.Errorf(call.Unavailable, "the connection is closed")
	}
	return nil, call.Errorf(call.Unavailable, "the connection to %s is lost; the client is reconnecting", c.address.String())
}

// EndpointID returns the endpoint id of the head, as proven or, over a transport
// that proves no key, as stated.
func (s *Session) EndpointID() string { return s.EndpointIDOf(s.Session) }

// EndpointIDOf is EndpointID while the session is being opened and knows its inner one
// alone.
func (s *Session) EndpointIDOf(inner *call.Session) string {
	if s.Key != nil {
		return principal.EndpointID(s.Key)
	}
	return inner.Peer().Node
}

// Dialled reports whether this side has dialled.
func (s *Session) Dialled() bool { return s.client != nil }

// Call is call.Session.Call on the session that is open now.
func (c *Client) Call(ctx context.Context, operation string, input any, options ...call.Option) (json.RawMessage, error) {
	s, err := c.Session()
	if err != nil {
		return nil, err
	}
	return s.Call(ctx, operation, input, options...)
}

// Subscribe is call.Session.Subscribe on the session that is open now.
func (c *Client) Subscribe(ctx context.Context, operation string, input any, options ...call.Option) (*call.Subscription, error) {
	s, err := c.Session()
	if err != nil {
		return nil, err
	}
	return s.Subscribe(ctx, operation, input, options...)
}

// Done is closed when the client has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the client. Requests of the head that run may finish until ctx ends;
// what is pending here fails with UNAVAILABLE. It returns when nothing of the
// client runs any more, and may be called again.
func (c *Client) Close(ctx context.Context) {
	c.mu.Lock()
	c.closing = true
	session := c.session
	c.mu.Unlock()
	c.cancel()
	if session != nil {
		session.Shutdown(ctx, "the client is closing")
	}
	<-c.done
}
