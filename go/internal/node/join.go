package node

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/route"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// Join registers the node with the head under a name: from then on others call its
// external operations there, as /name/ns/op, and, where its registry is also that of
// a head, the operations of the nodes behind it. The registration follows the
// registry, and is made again after each reconnect.
//
// The address of ClientConfig must pin the head's key and the transport prove it,
// else Join is FORBIDDEN: the head passes calls on in the names of others, and only a
// head that is certain can be believed. The key of the node needs the scope
// node:register or node:register:name there. When another session of the same key
// takes the name over, or the head refuses it after a reconnect, ClientConfig.OnState
// is told with Left, and the node stays connected without a name.
func (c *Client) Join(ctx context.Context, name string) error {
	if err := route.CheckName(name); err != nil {
		return call.Errorf(call.InvalidInput, "%w", err)
	}
	if err := addNotice(c.cfg.Registry); err != nil {
		return err
	}
	m := &membership{client: c, name: name, wake: make(chan struct{}, 1)}
	m.changed.L = &m.mu
	m.ctx, m.cancel = context.WithCancel(c.ctx)
	c.mu.Lock()
	if c.membership != nil {
		taken := c.membership.name
		c.mu.Unlock()
		m.cancel()
		return call.Errorf(call.Conflict, "this node has joined as %s already", taken)
	}
	c.membership = m
	c.mu.Unlock()
	fail := func(err error) error {
		m.cancel()
		c.dropMembership(m)
		return err
	}
	session, err := c.Session()
	if err != nil {
		return fail(err)
	}
	if !session.TrustsForwarded() {
		return fail(call.Errorf(call.Forbidden, "a node joins a head that it is certain of: connect over QUIC or TLS to an address with the head's endpoint id, as `alknet serve` prints it"))
	}
	m.stop = c.cfg.Registry.OnChange(m.poke)
	if err := m.register(ctx, session); err != nil {
		m.stop()
		return fail(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		m.stop()
		m.cancel()
		return call.Errorf(call.Unavailable, "the connection is closed")
	}
	c.members.Go(m.run)
	return nil
}

// Leave takes the node's name off the head's table; the client stays connected. It
// does nothing when the node has not joined.
func (c *Client) Leave(ctx context.Context) error {
	c.mu.Lock()
	m := c.membership
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	m.end(nil)
	session, err := c.Session()
	if err != nil {
		return nil // the head has forgotten the name with the session
	}
	_, err = session.Call(ctx, "/head/services/unregister", map[string]string{"node": m.name})
	if call.CodeOf(err) == call.NotFound {
		return nil
	}
	return err
}

// Announced returns when the head knows all that the node's registry offers now, or
// with the error by which it refused that: UNAVAILABLE when the session is lost before
// it has answered; what is offered is announced again with the next one. It returns
// at once when the node has not joined.
func (c *Client) Announced(ctx context.Context) error {
	c.mu.Lock()
	m := c.membership
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.wait(ctx)
}

// Joined returns the name that the node has on the head, or "".
func (c *Client) Joined() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.membership == nil {
		return ""
	}
	return c.membership.name
}

// reconnected has the name registered on a new session, disconnected tells those who
// wait for the head that it does not answer.
func (c *Client) reconnected() {
	c.mu.Lock()
	m := c.membership
	c.mu.Unlock()
	if m != nil {
		m.poke()
	}
}

func (c *Client) disconnected() {
	c.mu.Lock()
	m := c.membership
	c.mu.Unlock()
	if m != nil {
		m.mu.Lock()
		m.changed.Broadcast()
		m.mu.Unlock()
	}
}

func (c *Client) dropMembership(m *membership) {
	c.mu.Lock()
	if c.membership == m {
		c.membership = nil
	}
	c.mu.Unlock()
}

// membership keeps the head's entry for this node right.
type membership struct {
	client *Client
	name   string
	ctx    context.Context
	cancel context.CancelFunc
	stop   func()        // ends the watch over the registry
	wake   chan struct{} // holds a token when there may be something to register

	mu      sync.Mutex
	changed sync.Cond
	offered uint64   // counts the changes of the registry
	taken   uint64   // the last one that the head has answered
	refused error    // what the head said to it, if it did not take it
	on      *Session // where the name is registered
	ended   bool
	why     error
}

// poke notes that the registry, or the session, is another one.
func (m *membership) poke() {
	m.mu.Lock()
	m.offered++
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// run registers again whenever something has changed.
func (m *membership) run() {
	defer m.stop()
	var pause backoff
	for {
		select {
		case <-m.wake:
		case <-m.ctx.Done():
			m.end(nil)
			return
		}
		session, err := m.client.Session()
		if err != nil {
			continue // the next session wakes us
		}
		m.mu.Lock()
		current := m.on == session && m.taken == m.offered
		same := m.on == session
		m.mu.Unlock()
		if current {
			continue
		}
		err = m.register(m.ctx, session)
		switch code := call.CodeOf(err); {
		case err == nil:
			pause = backoff{}
		case m.ctx.Err() != nil:
		case session.Err() != nil: // the next session wakes us
		case code.Retryable() && !refusedForGood(err):
			if pause.wait(m.ctx) {
				m.poke()
			}
		case same: // the head keeps what it knew, and whoever waits is told
		default:
			m.end(err)
			m.client.tell(State{Status: Left, Err: err})
			return
		}
	}
}

// refusedForGood reports whether an error says itself that trying again is no use.
func refusedForGood(err error) bool {
	var coded *call.Error
	return errors.As(err, &coded) && !coded.Retryable
}

// register tells the head what the node offers now.
func (m *membership) register(ctx context.Context, session *Session) error {
	ctx, cancel := context.WithTimeout(ctx, m.client.cfg.Timeout)
	defer cancel()
	m.mu.Lock()
	version := m.offered
	m.mu.Unlock()
	_, err := session.Call(ctx, "/head/services/register", route.Registration{Node: m.name, Operations: m.client.offers(session)})
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.on = session
	}
	if err == nil || !call.CodeOf(err).Retryable() || refusedForGood(err) {
		m.taken, m.refused = version, err
		m.changed.Broadcast()
	}
	return err
}

// end gives the name up; why is what those who wait are told.
func (m *membership) end(why error) {
	m.client.dropMembership(m)
	m.cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended {
		m.ended, m.why = true, why
		m.changed.Broadcast()
	}
}

func (m *membership) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.changed.Broadcast()
	})
	defer stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	version := m.offered
	_, lost := m.client.Session()
	for !m.ended && m.taken < version && ctx.Err() == nil && lost == nil {
		m.changed.Wait()
		_, lost = m.client.Session()
	}
	switch {
	case m.taken >= version:
		return m.refused
	case lost != nil && !m.ended:
		return lost
	case m.ended && m.why != nil:
		return m.why
	case m.ended:
		return call.Errorf(call.Aborted, "the node has left the head")
	}
	return call.Errorf(call.CodeOf(ctx.Err()), "%w", context.Cause(ctx))
}

// offers lists what the node's registry offers to others through the head: its own
// external operations and those of nodes behind it, but for such as came from that
// head itself.
func (c *Client) offers(session *Session) []route.Operation {
	operations := []route.Operation{}
	for _, spec := range c.cfg.Registry.Specs() {
		ns := spec.FirstPart()
		if spec.Visibility == call.VisibilityInternal || ns == "services" || ns == "head" || spec.Name == route.LeftOperation {
			continue
		}
		operations = append(operations, route.Operation{OperationSpec: spec})
	}
	router := c.cfg.Registry.Router()
	if router == nil {
		return operations
	}
	head := principal.Fingerprint(session.Key)
	router.Visit(func(o *call.Remote) {
		if id := o.Session().Identity(); o.Hops()+1 >= call.MaxHops || id != nil && id.ID == head {
			return
		}
		operations = append(operations, route.Operation{OperationSpec: *o.Spec(), Hops: o.Hops() + 1})
	})
	return operations
}

// addNotice registers the operation by which a head tells that it does not know the
// node by its name any more.
func addNotice(registry *call.Registry) error {
	err := registry.Handle(call.OperationSpec{
		Name: route.LeftOperation, Type: call.TypeMutation, Description: "Tells the node that its head does not know it by its name any more",
		InputSchema: json.RawMessage(`{"type":"object","required":["node","code","message"]}`),
	}, func(_ context.Context, req *call.Request) (any, error) {
		var notice route.Notice
		if err := strictjson.Unmarshal(req.Input(), &notice); err != nil {
			return nil, call.Errorf(call.InvalidInput, "the input cannot be read: %w", err)
		}
		_, forwarded := req.ForwardedFor()
		if req.Session() == nil || forwarded {
			return nil, call.Errorf(call.Forbidden, "only the head itself tells this")
		}
		if s, ok := req.Session().Owner().(*Session); ok && s.client != nil {
			s.client.lost(req.Session(), call.Errorf(notice.Code, "%s", notice.Message))
			return map[string]any{}, nil
		}
		return nil, call.Errorf(call.Forbidden, "only the head itself tells this")
	})
	if errors.Is(err, call.ErrDuplicate) {
		return nil
	}
	return err
}

// lost gives the name up that the session held.
func (c *Client) lost(session *call.Session, why *call.Error) {
	c.mu.Lock()
	m := c.membership
	c.mu.Unlock()
	if m == nil || !m.holds(session) {
		return
	}
	m.end(why)
	c.tell(State{Status: Left, Err: why})
}

func (m *membership) holds(session *call.Session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.on != nil && m.on.Session == session
}
