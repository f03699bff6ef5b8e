package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/config"
	"github.com/alkdev/alknet/go/node"
)

type serveCmd struct {
	settings
	JSON bool `help:"Print the address as one line of JSON."`
}

func (c *serveCmd) Run(a *app) error {
	from, err := c.sources(a)
	if err != nil {
		return err
	}
	loaded, err := config.Load(from)
	if err != nil {
		return configuration(err)
	}
	if err := node.Check(loaded, a.home); err != nil {
		return err
	}
	key, err := a.nodeKey(loaded.Node.Key)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	server, err := node.Start(a.ctx, node.ServerConfig{
		HeadConfig: node.HeadConfig{Key: key, Registry: call.NewRegistry(), Agent: "alknet/" + version, Logger: newLogger(a.stderr, loaded.Log.Format, level)},
		Load:       func() (*config.Config, error) { return config.Load(from) },
		Home:       a.home, Version: version, Level: level,
	})
	if err != nil {
		return err
	}
	if err := c.greet(a, server); err != nil {
		_ = server.Close()
		return err
	}
	a.onHangup(func() { _, _ = server.Reload() }) // the log tells what came of it
	<-a.ctx.Done()
	return server.Shutdown(context.Background())
}

func newLogger(out io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// greet says where the node is and what to do next.
func (c *serveCmd) greet(a *app, server *node.Server) error {
	addresses, accepted := server.Addresses(), server.Credentials()
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(map[string]any{
			"addresses": addresses, "endpointId": server.EndpointID(), "fingerprint": server.Fingerprint(), "authorizedKeys": len(accepted.Grants), "apiKeys": len(accepted.APIKeys),
		})
	}
	path := server.Config().Auth.AuthorizedKeys
	if path == "" {
		path = a.file(node.AuthorizedKeysFile)
	}
	_, err := fmt.Fprintf(a.stdout, "alknet %s is listening\n", version)
	for _, address := range addresses {
		fmt.Fprintf(a.stdout, "  address      %s\n", address)
	}
	fmt.Fprintf(a.stdout, "  fingerprint  %s\n  authorized   %d keys in %s\n\n", server.Fingerprint(), len(accepted.Grants), path)
	fmt.Fprintf(a.stdout, "Let a client connect (its key: `alknet key generate`), then send this process SIGHUP or start it again:\n  alknet authorize 'ssh-ed25519 AAAA… name'\nCall:\n  alknet call %s /echo/echo '{\"hello\":\"world\"}'\n", addresses[0])
	return err
}
