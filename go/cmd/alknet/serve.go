package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/systemd"
)

type serveCmd struct {
	settings
	JSON        bool   `help:"Print the address as one line of JSON."`
	Credentials string `help:"Folder of the credentials that handlers sign in elsewhere with, where there is a phrase or a --secret-service (default: credentials in the state folder)." placeholder:"FOLDER"`
	serveSecrets
	upstream
}

func (c *serveCmd) Run(a *app) error {
	from, err := c.sources(a)
	if err != nil {
		return err
	}
	c.secretSources(&from)
	remote, err := c.openConfig(a, &from)
	if err != nil {
		return err
	}
	defer remote.close()
	loaded, err := config.Load(from)
	if err != nil {
		return configuration(err)
	}
	home, err := stateFolder(a.home)
	if err != nil {
		home = "" // nothing in it is needed where the configuration names its files
	}
	if err := node.Check(loaded, home); err != nil {
		return configuration(err)
	}
	if err := c.upstream.check(loaded.Node.Name); err != nil {
		return err
	}
	sockets, err := systemd.Activated()
	if err != nil {
		return err
	}
	defer sockets.Close()
	record, err := audit.Open(loaded.Audit.File)
	if err != nil {
		return configuration(loaded.Errorf("audit.file", "%w", err))
	}
	defer record.Close()
	level := new(slog.LevelVar)
	logger := newLogger(a.stderr, loaded.Log.Format, level)
	secrets, err := c.serveSecrets.open(a, loaded, logger, record)
	if err != nil {
		return err
	}
	defer secrets.close()
	key, err := a.serveKey(loaded.Node.Key, secrets)
	if err != nil {
		return err
	}
	registry := call.NewRegistry()
	if err := secrets.register(registry, logger); err != nil {
		return err
	}
	if sealer := secrets.sealer(); sealer != nil {
		d, err := a.handlerCredentials(loaded.Secrets.Credentials, sealer, node.AuditCredentials(record, logger))
		if err != nil {
			return err
		}
		warnOfCredentials(a, d, logger)
		registry.SetCredentials(node.HandlerCredentials(d))
	}
	server, err := node.Start(a.ctx, node.ServerConfig{
		HeadConfig: node.HeadConfig{Key: key, Registry: registry, Agent: "alknet/" + version, Logger: logger, Sockets: sockets},
		Load:       func() (*config.Config, error) { return config.Load(from) },
		Home:       home, Version: version, Level: level, Audit: record,
	})
	if err != nil {
		return err
	}
	if unused := sockets.Unused(); unused != "" {
		_ = server.Close()
		return fmt.Errorf("the service manager passes sockets that no listener has the address of: %s", unused)
	}
	leave, err := c.join(a.ctx, key, registry, logger)
	if err != nil {
		_ = server.Close()
		return err
	}
	if err := c.greet(a, server, secrets); err != nil {
		logger.Warn("the address could not be printed", "error", err)
	}
	remote.follow(a.ctx, server, logger)
	return live(a, server, leave, logger)
}

// live follows the signals until one of them ends the node, and ends it in order.
func live(a *app, server *node.Server, leave func(context.Context), logger *slog.Logger) error {
	tell := func(states ...string) {
		if err := systemd.Notify(states...); err != nil {
			logger.Warn("the service manager cannot be told", "error", err)
		}
	}
	a.onHangup(func() {
		tell(systemd.Reloading())
		status := "serving"
		if _, err := server.Reload(); err != nil { // the log tells all of it
			status = "the configuration stays as it was: " + err.Error()
		}
		tell(systemd.Ready, systemd.Status(status))
	})
	tell(systemd.Ready, systemd.Status("serving"))
	a.ending.mayTake(server.Config().Node.Drain.Std())
	<-a.ctx.Done()
	drain := server.Config().Node.Drain.Std() // a reload may have changed it
	a.ending.mayTake(drain)
	tell(systemd.Stopping, systemd.Status("waiting for calls to finish"))
	draining, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	var leaving sync.WaitGroup
	leaving.Go(func() { leave(draining) })
	defer leaving.Wait()
	return server.Shutdown(draining)
}

func newLogger(out io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// greet says where the node is and what to do next.
func (c *serveCmd) greet(a *app, server *node.Server, secrets *nodeSecrets) error {
	addresses, accepted := server.Addresses(), server.Credentials()
	if c.JSON {
		greeting := map[string]any{
			"addresses": addresses, "endpointId": server.EndpointID(), "fingerprint": server.Fingerprint(), "authorizedKeys": len(accepted.Grants), "apiKeys": len(accepted.APIKeys),
		}
		maps.Copy(greeting, secrets.greeting())
		return json.NewEncoder(a.stdout).Encode(greeting)
	}
	path, err := a.named(server.Config().Auth.AuthorizedKeys, node.AuthorizedKeysFile)
	if err != nil {
		path = "the configuration"
	}
	_, err = fmt.Fprintf(a.stdout, "alknet %s is listening\n", version)
	for _, address := range addresses {
		fmt.Fprintf(a.stdout, "  address      %s\n", address)
	}
	fmt.Fprintf(a.stdout, "  fingerprint  %s\n  authorized   %d keys in %s\n%s\n", server.Fingerprint(), len(accepted.Grants), path, secrets.greetingText())
	fmt.Fprintf(a.stdout, "Let a client connect (its key: `alknet key generate`), then send this process SIGHUP or start it again:\n  alknet authorize 'ssh-ed25519 AAAA… name'\nCall:\n  alknet call %s /echo/echo '{\"hello\":\"world\"}'\n", addresses[0])
	return err
}
