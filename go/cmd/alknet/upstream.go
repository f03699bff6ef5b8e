package main

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/route"
	"github.com/alkdev/alknet/go/internal/transport"
)

// upstream are the flags of a head that is a worker of another head.
type upstream struct {
	Join   string `help:"Join another head, which then reaches this one's operations and the nodes behind it: its address." placeholder:"ADDRESS"`
	JoinAs string `help:"The name under which the other head knows this one (default: --name)." placeholder:"NAME"`
}

// check reports a mistake on the command line.
func (u *upstream) check(name string) error {
	if u.Join == "" {
		return nil
	}
	if u.JoinAs == "" {
		u.JoinAs = name
	}
	if _, err := transport.ParseAddress(u.Join); err != nil {
		return usageError{err}
	}
	if err := route.CheckName(u.JoinAs); err != nil {
		return usageError{fmt.Errorf("--join-as: %w", err)}
	}
	return nil
}

// join joins the other head, and stays with it until leave. Where it cannot be reached
// now, the node starts all the same and goes on trying: it has callers of its own.
func (u *upstream) join(ctx context.Context, key crypto.Signer, registry *call.Registry, logger *slog.Logger) (leave func(context.Context), err error) {
	if u.Join == "" {
		return func(context.Context) {}, nil
	}
	m := &membership{upstream: u, key: key, registry: registry, logger: logger.With("head", u.Join), done: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(ctx)
	if err := m.attempt(); err != nil && !passing(err) {
		m.cancel()
		return nil, err
	} else if err != nil {
		m.logger.Warn("the other head cannot be joined yet; trying again", "error", err)
		go m.retry()
	} else {
		close(m.done)
	}
	return m.leave, nil
}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	code := call.CodeOf(err)
	return code == call.Unavailable || code == call.Timeout
}

// membership is a head's place behind another one.
type membership struct {
	*upstream
	key      crypto.Signer
	registry *call.Registry
	logger   *slog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	done     chan struct{} // closed when nothing is tried any more
	client   *node.Client  // once done
}

// The pauses between two attempts grow from the first to the last.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// retry goes on until the node has joined. An attempt that fails in another way than the
// first one did is no reason to stop: another node may stand at the address for a moment,
// and the key may be authorized later.
func (m *membership) retry() {
	defer close(m.done)
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		wait(m.ctx, pause/2+rand.N(pause/2))
		err := m.attempt()
		switch {
		case err == nil:
			m.logger.Info("joined the other head", "node", m.JoinAs)
			return
		case m.ctx.Err() != nil:
			return
		case !passing(err):
			m.logger.Error("the other head cannot be joined; trying again", "error", err)
		}
	}
}

// attempt connects and joins. Once that was well, the client sees to its connection.
func (m *membership) attempt() error {
	client, err := node.Connect(m.ctx, node.ClientConfig{
		Address: m.Join, Key: m.key, Registry: m.registry, Agent: "alknet/" + version, Logger: m.logger, OnState: m.state,
	})
	if err != nil {
		return err
	}
	if err := client.Join(m.ctx, m.JoinAs); err != nil {
		disconnect(client)
		return err
	}
	m.client = client
	return nil
}

// state logs what becomes of the connection.
func (m *membership) state(s node.State) {
	switch s.Status {
	case node.Disconnected:
		m.logger.Warn("disconnected from the other head; trying again", "error", s.Err)
	case node.Reconnected:
		m.logger.Info("connected to the other head again")
	case node.Left, node.Closed:
		if s.Err != nil {
			m.logger.Error("the other head is lost", "error", s.Err)
		}
	}
}

// leave ends the connection; calls that came over it may finish until ctx ends.
func (m *membership) leave(ctx context.Context) {
	m.cancel()
	<-m.done
	if m.client != nil {
		m.client.Close(ctx)
	}
}
