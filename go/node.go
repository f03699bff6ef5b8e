package alknet

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// Node is a key and a set of operations. It may listen, connect, or do both; all its
// sessions offer the same operations.
//
// The zero Node works: it makes a new key, offers no operations and accepts no client.
// The fields are read at the first use of a method and are not to be changed after it. A
// Node must not be copied after its first use.
type Node struct {
	// Key is the node's Ed25519 key. Default: a new one.
	Key crypto.Signer
	// Identities says which clients may connect to a listening node; see
	// [AuthorizedKeys]. Default: none; every client is rejected.
	Identities IdentityProvider
	// AllowAnonymous lets clients without a credential call operations that require no
	// scope. Default: they are rejected in the handshake.
	AllowAnonymous bool
	// Certificate is shown, in place of the key's own, to clients whose address pins no
	// key. Default: none.
	Certificate *tls.Certificate
	// Credentials gives handlers their credentials for other services. Default: none.
	Credentials CredentialProvider
	// Limits of each session. The zero value of each field means its default.
	Limits Limits
	// Logger receives what the node logs. Default: nothing is logged.
	Logger *slog.Logger

	once     sync.Once
	failed   error
	registry *call.Registry
}

// start reads the node's fields, once.
func (n *Node) start() error {
	n.once.Do(func() {
		n.registry = call.NewRegistry()
		if n.Key == nil {
			var key ed25519.PrivateKey
			if key, n.failed = auth.GenerateKey(); n.failed != nil {
				return
			}
			n.Key = key
		}
		if _, ok := n.Key.Public().(ed25519.PublicKey); !ok {
			n.failed = errors.New("alknet: Node.Key is not an Ed25519 key: use GenerateKey or LoadKey")
			return
		}
		if n.Identities == nil {
			n.Identities = auth.NewKeySet(nil, nil)
		}
		if n.Logger == nil {
			n.Logger = slog.New(slog.DiscardHandler)
		}
		if n.Credentials != nil {
			n.registry.SetCredentials(credentialProvider{n.Credentials})
		}
	})
	return n.failed
}

// EndpointID returns the endpoint id of the node's key, which addresses pin.
func (n *Node) EndpointID() (string, error) {
	if err := n.start(); err != nil {
		return "", err
	}
	return EndpointID(n.Key.Public().(ed25519.PublicKey)), nil
}

// Handle registers a query or a mutation. A malformed spec, a schema that does not
// compile and a name that is taken register nothing. The handler runs on a goroutine of
// its own for each request.
func (n *Node) Handle(spec Spec, h Handler, opts ...HandlerOption) error {
	if h == nil {
		return errNoHandler
	}
	return n.handle(spec, opts, func(spec Spec, options []call.HandleOption) error {
		return n.registry.Handle(spec, func(ctx context.Context, r *call.Request) (any, error) {
			return h(ctx, &Request{r})
		}, options...)
	})
}

// HandleStream registers a subscription as [Node.Handle] registers the other types.
func (n *Node) HandleStream(spec Spec, h StreamHandler, opts ...HandlerOption) error {
	if h == nil {
		return errNoHandler
	}
	return n.handle(spec, opts, func(spec Spec, options []call.HandleOption) error {
		return n.registry.HandleStream(spec, func(ctx context.Context, r *call.Request, send func(any) error) error {
			return h(ctx, &Request{r}, send)
		}, options...)
	})
}

var errNoHandler = errors.New("alknet: the handler is nil")

func (n *Node) handle(spec Spec, opts []HandlerOption, register func(Spec, []call.HandleOption) error) error {
	if err := n.start(); err != nil {
		return err
	}
	h := handling{spec: spec}
	for _, opt := range opts {
		opt(&h)
	}
	return register(h.spec, h.options)
}

// Unhandle withdraws an operation and reports whether there was one. Requests that run
// already run to their end.
func (n *Node) Unhandle(name string) bool {
	return n.start() == nil && n.registry.Remove(name)
}

// Listen starts a server on the addresses and returns when all are bound; where one
// cannot be, none stays bound. An address is host:port, which listens on UDP (QUIC) and
// TCP (TLS), or quic://host:port, tls://host:port, tcp://host:port or unix:///path. No
// address means 127.0.0.1:4433. ctx bounds the start alone.
func (n *Node) Listen(ctx context.Context, addresses ...string) (*Server, error) {
	if err := n.start(); err != nil {
		return nil, err
	}
	head, err := node.Serve(ctx, node.HeadConfig{
		Listen: addresses, Key: n.Key, Provider: n.Identities, AllowAnonymous: n.AllowAnonymous, Registry: n.registry,
		Certificate: n.Certificate, Limits: n.Limits, Logger: n.Logger, Agent: agent,
	})
	if err != nil {
		return nil, err
	}
	return &Server{head}, nil
}

// Connect opens a session with the node at an address and keeps it open: when it is lost,
// Connect's Conn dials again, with growing pauses, until [Conn.Close].
//
// An address is alknet://<endpoint-id>@host:port, as [Server.Addresses] gives it, which
// tries QUIC, and TLS beside it after 400 ms; quic://, tls://, tcp:// and unix:// force one
// transport. The endpoint id pins the server's key. Without one the server must show a
// certificate that [RootCAs] accept. ctx bounds the first attempt alone. The error is an
// *[Error].
func (n *Node) Connect(ctx context.Context, address string, opts ...ConnectOption) (*Conn, error) {
	if err := n.start(); err != nil {
		return nil, err
	}
	cfg := node.ClientConfig{
		Address: address, Key: n.Key, Registry: n.registry, Limits: n.Limits, Logger: n.Logger, Agent: agent,
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	client, err := node.Connect(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Conn{client}, nil
}

// agent names this package to peers.
const agent = "alknet-go"
