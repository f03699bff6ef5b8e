package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/node"
)

type serveCmd struct {
	upstream
	Listen         []string      `help:"Address to listen on; may be given more than once (default 127.0.0.1:4433). A bare host:port is QUIC and TLS; tcp://, tls://, quic:// and unix:///path force one." placeholder:"ADDRESS"`
	Key            string        `help:"The node's key file (default: made in the state folder)." placeholder:"FILE"`
	AuthorizedKeys string        `help:"Who may connect (default: authorized_keys in the state folder)." placeholder:"FILE"`
	DefaultScopes  []string      `help:"Scopes of keys that have none of their own." placeholder:"SCOPE"`
	AllowAnonymous bool          `help:"Let callers without an authorized key reach operations without requirements."`
	Name           string        `help:"The node's name, as /node/info tells it." default:"head"`
	Drain          time.Duration `help:"How long a shutdown lets calls finish." default:"5s"`
	LogFormat      string        `help:"text or json." enum:"text,json" default:"text"`
	JSON           bool          `help:"Print the address as one line of JSON."`
}

func (c *serveCmd) Run(a *app) error {
	if err := c.upstream.check(c.Name); err != nil {
		return err
	}
	key, err := a.nodeKey(c.Key)
	if err != nil {
		return err
	}
	path := c.AuthorizedKeys
	if path == "" {
		path = a.file(authorizedFile)
	}
	grants, err := readGrants(path, c.AuthorizedKeys == "")
	if err != nil {
		return err
	}
	var handler slog.Handler = slog.NewTextHandler(a.stderr, nil)
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(a.stderr, nil)
	}
	registry := call.NewRegistry()
	keys := auth.NewKeySet(grants, c.DefaultScopes)
	info := node.Info{Name: c.Name, Version: version, EndpointID: endpointID(key), Started: time.Now().UTC()}
	if err := node.AddBuiltins(registry, info); err != nil {
		return err
	}
	head, err := node.Serve(a.ctx, node.HeadConfig{
		Listen: c.Listen, Key: key, Provider: keys, AllowAnonymous: c.AllowAnonymous, Registry: registry,
		Agent: "alknet/" + version, Logger: slog.New(handler), Drain: c.Drain,
	})
	if err != nil {
		return err
	}
	leave, err := c.join(a.ctx, key, registry, slog.New(handler))
	if err != nil {
		_ = head.Close()
		return err
	}
	if err := c.greet(a, head, len(grants), path); err != nil {
		_ = head.Close()
		return err
	}
	a.reloadOnHangup(keys, path, c.AuthorizedKeys == "", c.DefaultScopes, slog.New(handler))
	<-a.ctx.Done()
	drain, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	leave(drain)
	return head.Shutdown(context.Background())
}

// readGrants reads the authorized keys; the default file may be missing.
func readGrants(path string, mayBeMissing bool) ([]auth.Grant, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && mayBeMissing {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the authorized keys: %w", err)
	}
	return auth.ParseAuthorizedKeys(path, data)
}

// greet says where the node is and what to do next.
func (c *serveCmd) greet(a *app, head *node.Head, authorized int, path string) error {
	addresses := head.Addresses()
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(map[string]any{
			"addresses": addresses, "endpointId": head.EndpointID(), "fingerprint": head.Fingerprint(), "authorizedKeys": authorized,
		})
	}
	_, err := fmt.Fprintf(a.stdout, "alknet %s is listening\n", version)
	for _, address := range addresses {
		fmt.Fprintf(a.stdout, "  address      %s\n", address)
	}
	fmt.Fprintf(a.stdout, "  fingerprint  %s\n  authorized   %d keys in %s\n\n", head.Fingerprint(), authorized, path)
	fmt.Fprintf(a.stdout, "Let a client connect (its key: `alknet key generate`), then send this process SIGHUP or start it again:\n  alknet authorize 'ssh-ed25519 AAAA… name'\nCall:\n  alknet call %s /echo/echo '{\"hello\":\"world\"}'\n", addresses[0])
	return err
}
