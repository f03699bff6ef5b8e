package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/config"
	"github.com/alkdev/alknet/go/node"
)

// headConfig says what the head serves.
type headConfig struct {
	Listen   string
	Keys     []string // authorized, as lines of authorized_keys
	Sessions int      // that it must let in, from one address and of one key
}

// head is a server as `alknet serve` runs it: authorized keys, limits, schemas, scopes
// and metrics.
func head() error {
	var server *node.Server
	err := obey(func(raw json.RawMessage) (any, error) {
		var c headConfig
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, err
		}
		var err error
		if server, err = c.serve(); err != nil {
			return nil, err
		}
		return server.Addresses()[0], nil
	}, func(raw json.RawMessage) (any, error) {
		var collect bool
		if err := json.Unmarshal(raw, &collect); err != nil {
			return nil, err
		}
		return measure(collect)
	})
	if server != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}

func (c headConfig) serve() (*node.Server, error) {
	key, err := auth.GenerateKey()
	if err != nil {
		return nil, err
	}
	registry, err := operations()
	if err != nil {
		return nil, err
	}
	keys := make([]map[string]any, len(c.Keys))
	for i, line := range c.Keys {
		keys[i] = map[string]any{"publicKey": line, "scopes": []string{"bench"}}
	}
	room := c.Sessions + 16
	settings, err := json.Marshal(map[string]any{
		"listeners": []any{map[string]any{"address": c.Listen}},
		"auth":      map[string]any{"keys": keys},
		"limits":    map[string]any{"connections": room, "connectionsPerAddress": room, "sessionsPerIdentity": room},
	})
	if err != nil {
		return nil, err
	}
	return node.Start(context.Background(), node.ServerConfig{
		HeadConfig: node.HeadConfig{Key: key, Registry: registry},
		Load:       func() (*config.Config, error) { return config.Load(config.Sources{Options: [][]byte{settings}}) },
		Version:    "scale",
	})
}

// operations are an echo and a clock, which sends the time at which each event was due.
func operations() (*call.Registry, error) {
	registry := call.NewRegistry()
	access := call.AccessControl{RequiredScopes: []string{"bench"}}
	if err := registry.Handle(call.OperationSpec{
		Name: "/bench/echo", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["data"],"additionalProperties":false,"properties":{"data":{"type":"string"}}}`),
	}, func(_ context.Context, r *call.Request) (any, error) { return r.Input(), nil }); err != nil {
		return nil, err
	}
	err := registry.HandleStream(call.OperationSpec{
		Name: "/bench/clock", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["first","every","count"],"additionalProperties":false,
			"properties":{"first":{"type":"integer"},"every":{"type":"integer","minimum":1},"count":{"type":"integer","minimum":1}}}`),
	}, func(ctx context.Context, r *call.Request, send func(any) error) error {
		var in struct{ First, Every, Count int64 } // nanoseconds of the monotonic clock
		if err := json.Unmarshal(r.Input(), &in); err != nil {
			return err
		}
		timer := time.NewTimer(0)
		defer timer.Stop()
		for i := range in.Count {
			due := in.First + i*in.Every
			timer.Reset(time.Duration(due - now()))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			event := `{"due":` + strconv.FormatInt(due, 10) + `,"pad":"` + strings.Repeat("x", 60) + `"}`
			if err := send(json.RawMessage(event)); err != nil {
				return err
			}
		}
		return nil
	})
	return registry, err
}

// socket returns the address to listen on, and what cleans up behind it.
func socket(transport string) (listen string, clean func(), err error) {
	if transport != "unix" {
		return transport + "://127.0.0.1:0", func() {}, nil
	}
	folder, err := os.MkdirTemp("", "alknet-scale-")
	if err != nil {
		return "", nil, err
	}
	return "unix://" + folder + "/socket", func() { _ = os.RemoveAll(folder) }, nil
}
