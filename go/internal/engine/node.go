package engine

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// Version is the version of the program that the engine is in, which sets it before
// it opens an environment.
var Version = "dev"

// keyOptions say where a node's key comes from.
type keyOptions struct {
	Key        int64  `json:"key"`        // attachment
	Passphrase int64  `json:"passphrase"` // attachment
	KeyPath    string `json:"keyPath"`
	Identity   int64  `json:"identity"` // of the keyring
}

type connectOptions struct {
	keyOptions
	Address     string   `json:"address"`
	Token       string   `json:"token"`
	Certificate string   `json:"certificate"`
	Insecure    bool     `json:"insecure"`
	CA          string   `json:"ca"`
	Timeout     float64  `json:"timeout"`
	Reconnect   *bool    `json:"reconnect"`
	Agent       string   `json:"agent"`
	PeerScopes  []string `json:"peerScopes"`
	Limits      struct {
		MaxWaiting *int `json:"maxWaiting"`
	} `json:"limits"`
	Head int64 `json:"head"` // a server whose operations the connection offers
}

// limits gives the limits of the sessions; 0 requests that may wait are none here.
func (o *connectOptions) limits() call.Limits {
	var l call.Limits
	if n := o.Limits.MaxWaiting; n != nil {
		l.MaxWaiting = *n
		if *n == 0 {
			l.MaxWaiting = -1
		}
	}
	return l
}

// named is what the options of a command name: attachments and handles. It is looked up
// when the command is submitted, since JavaScript may drop a handle right behind it.
type named struct {
	key, passphrase []byte
	identity        *identity // nil where there is none
	head            *endpoint
}

// take looks up what options name, also of options that turn out to be malformed.
func (e *Environment) take(options []byte) named {
	var o struct {
		keyOptions
		Head int64 `json:"head"`
	}
	_ = json.Unmarshal(options, &o) // the command's own reading of them reports it
	of := named{key: e.attachments.take(o.Key), passphrase: e.attachments.take(o.Passphrase)}
	of.identity, _ = e.keyring.identity(o.Identity)
	if o.Head != 0 {
		of.head = e.endpoint(o.Head)
	}
	return of
}

func (n named) wipe() {
	clear(n.key)
	clear(n.passphrase)
}

// signer returns what an endpoint signs with; nil without an error means that
// neither an identity nor a key was named.
func (e *Environment) signer(ep *endpoint, o *keyOptions, of named) (crypto.Signer, error) {
	var key ed25519.PrivateKey
	var err error
	switch {
	case o.Identity != 0:
		if of.identity == nil {
			return nil, errNoIdentity
		}
		return e.signerOf(ep, of.identity), nil
	case o.Key != 0:
		key, err = auth.ParsePrivateKey(of.key, of.passphrase)
	case o.KeyPath != "":
		key, err = auth.LoadPrivateKey(o.KeyPath, of.passphrase)
	}
	switch {
	case err != nil:
		return nil, call.Errorf(call.InvalidInput, "%w", err)
	case key == nil:
		return nil, nil
	}
	return key, nil
}

// open starts a connect or a serve; run ends with opened or failed. What the
// options name is taken here: so that the secrets of the next command find room, and
// before JavaScript drops a handle.
func (e *Environment) open(n int64, options []byte, run func(context.Context, int64, *endpoint, []byte, named) error) {
	of := e.take(options)
	ctx, cancel := context.WithCancel(e.ctx)
	ep := &endpoint{registry: call.NewRegistry(), cancel: cancel}
	e.mu.Lock()
	taken := e.closed || e.nodes[n] != nil
	if !taken {
		e.nodes[n] = ep
	}
	e.mu.Unlock()
	if taken {
		of.wipe()
		cancel()
		return
	}
	e.run(func() {
		defer cancel()
		defer of.wipe()
		if err := run(ctx, n, ep, options, of); err != nil {
			e.mu.Lock()
			delete(e.nodes, n)
			err = cmp.Or(ep.cause, err)
			e.mu.Unlock()
			e.postError(kindFailed, n, err)
		}
	})
}

// keep enters what was opened, unless the node was closed or ended meanwhile.
func (e *Environment) keep(n int64, enter func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.nodes[n] == nil || e.nodes[n].cause != nil {
		return false
	}
	enter()
	return true
}

var errClosed = call.Errorf(call.Aborted, "the node was closed while it was being opened")

func (e *Environment) connect(ctx context.Context, n int64, ep *endpoint, text []byte, of named) error {
	var o connectOptions
	if err := json.Unmarshal(text, &o); err != nil {
		return call.Errorf(call.InvalidInput, "the options of connect: %w", err)
	}
	key, err := e.signer(ep, &o.keyOptions, of)
	of.wipe()
	if err != nil {
		return err
	}
	if o.Head != 0 {
		if of.head == nil || of.head.head == nil {
			return call.Errorf(call.InvalidInput, "the server whose operations are to be offered is closed")
		}
		e.mu.Lock()
		ep.registry = of.head.registry
		e.mu.Unlock()
	}
	cfg := node.ClientConfig{
		Address: o.Address, Key: key, Token: o.Token, Certificate: o.Certificate, Registry: ep.registry, Insecure: o.Insecure, PeerScopes: o.PeerScopes, Limits: o.limits(),
		Timeout: milliseconds(o.Timeout), NoReconnect: o.Reconnect != nil && !*o.Reconnect, Agent: o.Agent, Logger: e.logger,
		AfterBatch: e.queue.wake, OnState: func(s node.State) { e.state(n, s) },
	}
	if o.CA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(o.CA)) {
			return call.Errorf(call.InvalidInput, "the option ca holds no certificate in PEM format")
		}
	}
	client, err := node.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	session, sessionErr := client.Session()
	if !e.keep(n, func() { ep.client = client }) {
		(&endpoint{client: client, cancel: ep.cancel}).stop(0)
		return errClosed
	}
	if sessionErr != nil {
		return nil // lost at once: the state has been told
	}
	e.post(kindOpened, n, e.sessionInfo(n, session, o.Address))
	return nil
}

// state tells JavaScript what became of a connection.
func (e *Environment) state(n int64, s node.State) {
	switch s.Status {
	case node.Disconnected:
		e.postError(kindDisconnected, n, s.Err)
	case node.Reconnected:
		e.post(kindReconnected, n, e.sessionInfo(n, s.Peer, ""))
	case node.Left:
		e.postError(kindLeft, n, s.Err)
	case node.Closed:
		e.mu.Lock()
		err := s.Err
		if ep := e.nodes[n]; ep != nil && ep.cause != nil {
			err = ep.cause
		}
		delete(e.nodes, n)
		e.mu.Unlock()
		if err != nil {
			e.postError(kindClosed, n, err)
		} else {
			e.post(kindClosed, n, []byte("null"))
		}
	}
}

type closeOptions struct {
	Drain *float64 `json:"drain"` // ms
}

// closeNode closes a node; closed is the answer, also of one that is not there.
func (e *Environment) closeNode(n int64, text []byte) {
	var o closeOptions
	if len(text) > 0 {
		_ = json.Unmarshal(text, &o) // a malformed option means none: closing must work
	}
	drain := ownDrain
	if o.Drain != nil {
		drain = milliseconds(*o.Drain)
	}
	e.mu.Lock()
	ep := e.nodes[n]
	if ep != nil && ep.client == nil {
		delete(e.nodes, n)
	}
	e.mu.Unlock()
	switch {
	case ep == nil:
		e.queue.addRaw(kindClosed, n, []byte("null"))
	case ep.client != nil:
		e.run(func() { ep.stop(drain) }) // the client's last state tells of the end
	default:
		e.run(func() {
			ep.stop(drain)
			e.post(kindClosed, n, []byte("null"))
		})
	}
}

// ownDrain leaves it to the node how long calls may finish.
const ownDrain time.Duration = -1

// stop ends what an endpoint holds, and waits for it.
func (ep *endpoint) stop(drain time.Duration) {
	ep.cancel()
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	switch {
	case drain != ownDrain:
		ctx, cancel = context.WithTimeout(ctx, drain)
	case ep.client != nil:
		ctx, cancel = context.WithTimeout(ctx, node.DefaultDrain)
	}
	defer cancel()
	if ep.client != nil {
		ep.client.Close(ctx)
	}
	if ep.head != nil {
		_ = ep.head.Shutdown(ctx)
	}
}
