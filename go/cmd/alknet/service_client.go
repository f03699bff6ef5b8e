package main

import (
	"context"
	"crypto"
	"log/slog"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/service"
)

// serviceTime bounds one question to a service.
const serviceTime = 10 * time.Second

// isService reports whether a name is the address of a service and not that of a file.
func isService(name string) bool {
	return strings.HasPrefix(name, "unix://") || strings.HasPrefix(name, "quic://")
}

// connectService connects a node to a service with the node's key.
func connectService(ctx context.Context, address string, key crypto.Signer, logger *slog.Logger) (*service.Client, error) {
	return service.Connect(ctx, service.ClientConfig{Address: address, Key: key, Agent: "alknet/" + version, Logger: logger})
}

// remoteConfig has a node's configuration come from a service, where --config names
// one; nil where it names a file.
type remoteConfig struct {
	client  *service.Client
	version string // of what was read last
}

// openConfig connects to the service that from names, and has from read it. The node
// shows the key of its key file there.
func (c *serveCmd) openConfig(a *app, from *config.Sources) (*remoteConfig, error) {
	if !isService(from.File) {
		return nil, nil
	}
	key, err := a.nodeKey(c.settings.Key)
	if err != nil {
		return nil, err
	}
	client, err := connectService(a.ctx, from.File, key, newLogger(a.stderr, c.settings.LogFormat, slog.LevelInfo))
	if err != nil {
		return nil, err
	}
	r := &remoteConfig{client: client}
	from.Read = func(string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(a.ctx, serviceTime)
		defer cancel()
		document, err := client.Config().Read(ctx)
		if err == nil {
			r.version = document.Version
		}
		return document.Text, err
	}
	return r, nil
}

// follow has the node reload when the service has another configuration than the one
// that the node was started with, until ctx ends. It does not wait.
func (r *remoteConfig) follow(ctx context.Context, server *node.Server, logger *slog.Logger) {
	if r != nil {
		known := r.version
		go r.watch(ctx, known, server, logger)
	}
}

func (r *remoteConfig) watch(ctx context.Context, known string, server *node.Server, logger *slog.Logger) {
	for ctx.Err() == nil {
		document, err := r.client.Config().Next(ctx, known)
		if err != nil {
			if ctx.Err() == nil {
				logger.Warn("the service of the configuration does not answer; trying again", "error", err)
				wait(ctx, time.Second)
			}
			continue
		}
		known = document.Version
		_, _ = server.Reload() // the log tells what came of it
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *remoteConfig) close() {
	if r != nil {
		r.client.Close()
	}
}
