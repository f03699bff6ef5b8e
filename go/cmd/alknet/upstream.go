package main

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"

	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/node"
	"github.com/alkdev/alknet/go/route"
	"github.com/alkdev/alknet/go/transport"
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

// join joins the other head. lost is told when the connection has ended for good;
// the node goes on without it.
func (u *upstream) join(ctx context.Context, key crypto.Signer, registry *call.Registry, logger *slog.Logger) (leave func(context.Context), err error) {
	if u.Join == "" {
		return func(context.Context) {}, nil
	}
	lost := make(chan error, 1)
	client, err := node.Connect(ctx, node.ClientConfig{
		Address: u.Join, Key: key, Registry: registry, Agent: "alknet/" + version, Logger: logger.With("head", u.Join),
		OnState: func(s node.State) { follow(s, logger, lost) },
	})
	if err != nil {
		return nil, err
	}
	if err := client.Join(ctx, u.JoinAs); err != nil {
		disconnect(client)
		return nil, err
	}
	go func() {
		select {
		case err := <-lost:
			logger.Error("the other head is lost", "head", u.Join, "error", err)
		case <-client.Done():
		}
	}()
	return client.Close, nil
}
