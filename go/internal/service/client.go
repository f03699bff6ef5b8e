package service

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/transport"
)

// ClientConfig configures a Client. Address and Key are required.
type ClientConfig struct {
	// Address of the service, with its key pinned: unix://<endpoint-id>@/path or
	// quic://<endpoint-id>@host:port.
	Address string
	// Key is the node's Ed25519 key.
	Key crypto.Signer
	// Timeout bounds each attempt to connect: 0 means 10 s.
	Timeout time.Duration
	// Agent names the software, as told to the other side.
	Agent string
	// Logger; nil discards.
	Logger *slog.Logger
}

// Client is a node's end of its connection with a service. It connects again by
// itself; what was asked when the connection was lost fails with UNAVAILABLE. It is a
// call.Service, and safe for concurrent use.
type Client struct {
	cfg     ClientConfig
	address transport.Address
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	link    *link // nil while there is none
	closing bool  // the service takes nothing new on link
	next    uint64
	pending map[uint64]*outgoing
}

// Connect connects to a service and returns when its key is proven, or with the error
// of the attempt. ctx bounds the attempt only.
func Connect(ctx context.Context, cfg ClientConfig) (*Client, error) {
	address, err := transport.ParseAddress(cfg.Address)
	if err == nil {
		err = supported(cfg.Address)
	}
	if err == nil && address.Peer == nil {
		err = errors.New("the address of a service pins its key: write its endpoint id before the @")
	}
	if err == nil && cfg.Key == nil {
		err = errors.New("a node shows its key to a service, and has none")
	}
	if err != nil {
		return nil, call.Errorf(call.InvalidInput, "%w", err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, address: address, done: make(chan struct{}), pending: map[uint64]*outgoing{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	l, err := c.dial(ctx)
	if err != nil {
		c.cancel()
		return nil, err
	}
	go c.run(l)
	return c, nil
}

// dial makes one attempt. Its errors are *call.Error.
func (c *Client) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, err := transport.Dial(ctx, c.address, transport.DialConfig{Signer: c.cfg.Key, Protocol: Protocol, Secure: true, Timeout: c.cfg.Timeout, Logger: c.cfg.Logger})
	if err != nil {
		return nil, connectError(err)
	}
	if err := c.greet(ctx, conn); err != nil {
		_ = conn.CloseWithReason(err.Error())
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, connectError(err)
	}
	l := newLink(conn)
	c.mu.Lock()
	c.link, c.closing = l, false
	c.mu.Unlock()
	return l, nil
}

// greet exchanges the first messages. The service judges our key after our side of
// the handshake is over: only its hello says that it was accepted.
func (c *Client) greet(ctx context.Context, conn transport.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	hello, err := appendMessage(nil, typeHello, 0, helloBody{Agent: c.cfg.Agent})
	if err != nil {
		return err
	}
	_, writeErr := conn.Write(hello)
	m, _, err := readMessage(conn, nil) // also after a failed write: it says why
	switch {
	case err == nil && m.Type == typeFailed: // in place of its hello: it has refused our key
		return transport.Refused(c.cfg.Key.Public().(ed25519.PublicKey), nil)
	case err == nil && writeErr == nil && m.Type == typeHello:
		return nil
	case err == nil && writeErr == nil:
		return errProtocol
	}
	return cmp.Or(err, writeErr)
}

// connectError gives a failed attempt its code.
func connectError(err error) error {
	var refused *transport.RefusedError
	var mismatch *transport.PinMismatchError
	switch {
	case errors.As(err, &refused), errors.As(err, &mismatch):
		return call.Errorf(call.Unauthenticated, "%w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return call.Errorf(call.Timeout, "the service did not answer in time: %w", err)
	case errors.Is(err, context.Canceled):
		return call.Errorf(call.Aborted, "%w", err)
	case errors.Is(err, errProtocol):
		return call.Errorf(call.ProtocolError, "%w", err)
	}
	return call.Errorf(call.Unavailable, "the service cannot be reached: %w", err)
}

// run follows the connection, and replaces it when it is lost.
func (c *Client) run(l *link) {
	defer close(c.done)
	for {
		err := c.read(l)
		l.close(err)
		<-l.idle
		c.lost()
		next, err := c.redial()
		if err != nil {
			return
		}
		l = next
	}
}

// read takes what the service sends until the connection ends.
func (c *Client) read(l *link) error {
	stop := context.AfterFunc(c.ctx, func() { l.close(errors.New("the node is closing")) })
	defer stop()
	var buf []byte
	defer func() { clear(buf) }()
	for {
		m, whole, err := readMessage(l.conn, buf)
		buf = whole
		if err == nil {
			err = c.take(l, m)
		}
		clear(m.Body)
		clear(buf[:cap(buf)])
		if cap(buf) > growStep {
			buf = nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *Client) take(l *link, m message) error {
	if m.Type == typeClosing {
		c.mu.Lock()
		c.closing = true
		empty := len(c.pending) == 0
		c.mu.Unlock()
		if empty {
			return io.EOF
		}
		return nil
	}
	c.mu.Lock()
	o := c.pending[m.ID]
	c.mu.Unlock()
	var err error
	if o != nil { // else it was stopped, and what is on its way is of no use
		err = o.take(m)
	}
	c.mu.Lock()
	over := c.closing && len(c.pending) == 0
	c.mu.Unlock()
	if err == nil && over {
		return io.EOF
	}
	return err
}

// lost fails what was asked over the connection that is gone.
func (c *Client) lost() {
	c.mu.Lock()
	c.link = nil
	pending := c.pending
	c.pending = map[uint64]*outgoing{}
	c.mu.Unlock()
	for _, o := range pending {
		o.fail(call.Errorf(call.Unavailable, "the connection to the service was lost"))
	}
}

const (
	firstDelay = 100 * time.Millisecond // the service is on this machine, or near it
	lastDelay  = 5 * time.Second
)

// redial tries until there is a connection, or the client is closed. A service that
// refuses the key may be one that has not read its list of keys yet.
func (c *Client) redial() (*link, error) {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		timer := time.NewTimer(delay/2 + rand.N(delay/2))
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
			return nil, c.ctx.Err()
		}
		l, err := c.dial(c.ctx)
		if err == nil {
			return l, nil
		}
		if c.ctx.Err() != nil {
			return nil, err
		}
		c.cfg.Logger.Info("service not reached", "address", c.address.String(), "error", err)
	}
}

// Close ends the client: what it waits for fails with UNAVAILABLE. It returns when
// nothing of it runs any more.
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// Start implements call.Service.
func (c *Client) Start(kind call.Kind, operation string, input []byte, opts *call.Options, identity *auth.Identity, sink call.Sink) call.Outgoing {
	if len(input) == 0 {
		input = []byte("null")
	}
	body := requestBody{
		Operation: operation, Input: embed(input), Stream: kind == call.Stream, Idle: opts.IdleTimeout.Milliseconds(),
		Parent: opts.ParentRequestID, Metadata: opts.Metadata, Identity: bodyOf(identity),
	}
	if body.Stream {
		if body.Window = opts.Window; body.Window <= 0 {
			body.Window = call.DefaultWindow
		}
	}
	o := &outgoing{client: c, stream: body.Stream, room: body.Window, answer: jsonAnswer{sink}}
	if err := c.send(o, body, opts.Deadline); err != nil {
		sink.Failed(err)
		return call.Outgoing{}
	}
	return call.OutgoingOf(o)
}

// send enters a request and sends it.
func (c *Client) send(o *outgoing, body requestBody, deadline time.Time) *call.Error {
	if !deadline.IsZero() {
		body.Timeout = max(1, (time.Until(deadline) + time.Millisecond - 1).Milliseconds())
	}
	c.mu.Lock()
	l := c.link
	if l == nil || c.closing {
		c.mu.Unlock()
		return call.Errorf(call.Unavailable, "the service cannot be reached at the moment")
	}
	c.next++
	o.id, o.link = c.next, l
	c.pending[o.id] = o
	if !deadline.IsZero() {
		o.timer = time.AfterFunc(time.Until(deadline), o.expire)
	}
	c.mu.Unlock()
	if err := l.send(typeRequest, o.id, body); err != nil {
		if !c.forget(o) {
			return nil // the loss of the connection has failed it already
		}
		var coded *call.Error
		if !errors.As(err, &coded) {
			coded = call.Errorf(call.Unavailable, "%w", err)
		}
		return coded
	}
	return nil
}

// forget reports whether the request was still waited for.
func (c *Client) forget(o *outgoing) bool {
	c.mu.Lock()
	known := c.pending[o.id] == o
	if known {
		delete(c.pending, o.id)
	}
	c.mu.Unlock()
	if known && o.timer != nil {
		o.timer.Stop()
	}
	return known
}

// ask makes a request of this package's own services and decodes its answer.
func (c *Client) ask(ctx context.Context, operation string, input, into any) error {
	raw, err := encoding.Marshal(input)
	if err != nil {
		return call.Errorf(call.InvalidInput, "encode the input of %s: %w", operation, err)
	}
	defer clear(raw)
	answer := make(rawAnswer, 1)
	o := &outgoing{client: c, answer: answer}
	deadline, _ := ctx.Deadline()
	if err := c.send(o, requestBody{Operation: operation, Input: raw}, deadline); err != nil {
		return err
	}
	select {
	case a := <-answer:
		return a.into(operation, into)
	case <-ctx.Done():
	}
	o.Abort(context.Cause(ctx).Error())
	a := <-answer
	if a.err != nil && a.err.Code == call.Aborted {
		return call.Errorf(call.CodeOf(ctx.Err()), "%s was stopped: %w", operation, context.Cause(ctx))
	}
	return a.into(operation, into)
}

// raw is an answer that is not JSON.
type raw struct {
	output cbor.RawMessage
	err    *call.Error
}

func (a raw) into(operation string, into any) error {
	defer clear(a.output)
	if a.err != nil {
		return a.err
	}
	if err := decoding.Unmarshal(a.output, into); err != nil {
		return call.Errorf(call.ProtocolError, "the answer to %s cannot be read", operation)
	}
	return nil
}
