package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/service"
	"github.com/alkdev/alknet/go/secret"
)

type serviceCmd struct {
	Listen         []string      `help:"Address to listen on, unix:///path or quic://host:port; may be given more than once (default: service.sock in the state folder)." placeholder:"ADDRESS"`
	Key            string        `help:"The service's key file (default: node_key in the state folder, made when it is missing)." placeholder:"FILE"`
	AuthorizedKeys string        `help:"Keys of the nodes that may connect, with the scopes service:secrets and service:config (default: authorized_keys in the state folder)." placeholder:"FILE"`
	Secrets        bool          `help:"Offer the keys of a phrase to nodes, which sign and seal with them and never get them."`
	SecretPaths    []string      `help:"Paths below which nodes may use keys (default: m/74'/3')." placeholder:"PATH"`
	ConfigFile     string        `help:"Offer this file as the nodes' configuration; SIGHUP reads it again." placeholder:"FILE"`
	Drain          time.Duration `help:"How long a shutdown lets requests finish." default:"5s"`
	LogFormat      string        `help:"text or json." enum:"text,json" default:"text"`
	JSON           bool          `help:"Print the address as one line of JSON."`
	unlockFlags
}

func (c *serviceCmd) Run(a *app) error {
	if !c.Secrets && c.ConfigFile == "" {
		return usagef("the service would offer nothing: choose --secrets or --config-file")
	}
	logger := newLogger(a.stderr, c.LogFormat, slog.LevelInfo)
	key, err := a.nodeKey(c.Key)
	if err != nil {
		return err
	}
	nodes, err := c.nodes(a)
	if err != nil {
		return err
	}
	cfg := service.ServerConfig{Listen: c.Listen, Key: key, Provider: nodes, Agent: "alknet/" + version, Logger: logger}
	if len(cfg.Listen) == 0 {
		path, err := a.file("service.sock")
		if err != nil {
			return err
		}
		cfg.Listen = []string{"unix://" + path}
	}
	var file *service.ConfigFile
	if c.ConfigFile != "" {
		if file, err = service.OpenConfigFile(c.ConfigFile); err != nil {
			return err
		}
		cfg.Config = file
	}
	if c.Secrets {
		store, err := c.openStore(a, logger, &cfg)
		if err != nil {
			return err
		}
		defer store.Close()
	}
	server, err := service.Serve(a.ctx, cfg)
	if err != nil {
		return err
	}
	a.ending.mayTake(c.Drain)
	if err := c.greet(a, server); err != nil {
		logger.Warn("the address could not be printed", "error", err)
	}
	a.onHangup(func() {
		c.reload(a, nodes, file, logger)
		server.Recheck()
	})
	<-a.ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	return server.Shutdown(ctx)
}

// nodes reads who may connect.
func (c *serviceCmd) nodes(a *app) (*nodeKeys, error) {
	grants, err := c.grants(a)
	if err != nil {
		return nil, err
	}
	accepted := auth.Credentials{Grants: grants}
	return &nodeKeys{auth.NewCredentialSet(accepted), accepted}, nil
}

// nodeKeys are the keys of the nodes that may connect.
type nodeKeys struct {
	*auth.KeySet
	accepted auth.Credentials
}

func (n *nodeKeys) replace(c auth.Credentials) {
	n.accepted = c
	n.ReplaceAll(c)
}

func (c *serviceCmd) grants(a *app) ([]auth.Grant, error) {
	path, err := a.named(c.AuthorizedKeys, node.AuthorizedKeysFile)
	if err != nil {
		return nil, err
	}
	data, err := atomicfile.Read(path, auth.MaxKeysFile, atomicfile.Deciding)
	if err != nil {
		return nil, fmt.Errorf("read who may connect: %w", err)
	}
	return auth.ParseAuthorizedKeys(path, data)
}

// openStore unlocks the store that is offered.
func (c *serviceCmd) openStore(a *app, logger *slog.Logger, cfg *service.ServerConfig) (*secret.Store, error) {
	var paths []secret.Path
	for _, text := range c.SecretPaths {
		path, err := secret.ParsePath(text)
		if err != nil {
			return nil, misused(fmt.Errorf("--secret-paths: %w", err))
		}
		paths = append(paths, path)
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: true, OnEvent: func(e secret.Event) { logSecretEvent(logger, e) }})
	if err != nil {
		return nil, err
	}
	cfg.Secrets = node.NewSecretService(store, paths...)
	return store, nil
}

// reload reads again who may connect, and the configuration. A mistake in one changes
// nothing of it, but for keys that the file does not grant any more: they are revoked.
func (c *serviceCmd) reload(a *app, nodes *nodeKeys, file *service.ConfigFile, logger *slog.Logger) {
	grants, err := c.grants(a)
	var lines auth.LineErrors
	switch {
	case err == nil:
		nodes.replace(auth.Credentials{Grants: grants})
		logger.Info("authorized keys read again", "keys", len(grants))
	case errors.As(err, &lines), errors.Is(err, fs.ErrNotExist):
		nodes.replace(nodes.accepted.Within(auth.Credentials{Grants: grants}))
		logger.Error("keys that the file does not grant were revoked, and none was added", "error", err)
	default:
		logger.Error("the authorized keys stay as they were", "error", err)
	}
	if file == nil {
		return
	}
	if changed, err := file.Reload(); err != nil {
		logger.Error("the configuration stays as it was", "error", err)
	} else {
		logger.Info("configuration read again", "changed", changed)
	}
}

func (c *serviceCmd) greet(a *app, server *service.Server) error {
	addresses := server.Addresses()
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(map[string]any{"addresses": addresses, "secrets": c.Secrets, "config": c.ConfigFile != ""})
	}
	_, err := fmt.Fprintf(a.stdout, "alknet %s offers to nodes:\n", version)
	for _, address := range addresses {
		if c.Secrets {
			fmt.Fprintf(a.stdout, "  secrets        alknet serve --secret-service %s\n", address)
		}
		if c.ConfigFile != "" {
			fmt.Fprintf(a.stdout, "  configuration  alknet serve --config %s\n", address)
		}
	}
	return err
}
