package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	alknet "github.com/alkdev/alknet/go"
)

// headConfig says what the head serves.
type headConfig struct {
	Listen string
	Keys   []string // authorized, as lines of authorized_keys
}

// head is a server with what production has: authorized keys, schemas and scopes.
func head() error {
	var server *alknet.Server
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

func (c headConfig) serve() (*alknet.Server, error) {
	keys, err := alknet.AuthorizedKeys([]byte(strings.Join(c.Keys, "\n")), "bench")
	if err != nil {
		return nil, err
	}
	node := &alknet.Node{Identities: keys}
	if err := operations(node); err != nil {
		return nil, err
	}
	return node.Listen(context.Background(), c.Listen)
}

// operations are an echo and a clock, which sends the time at which each event was due.
func operations(node *alknet.Node) error {
	access := alknet.AccessControl{RequiredScopes: []string{"bench"}}
	if err := node.Handle(alknet.Spec{
		Name: "/bench/echo", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["data"],"additionalProperties":false,"properties":{"data":{"type":"string"}}}`),
	}, func(_ context.Context, r *alknet.Request) (any, error) { return r.Input(), nil }); err != nil {
		return err
	}
	return node.HandleStream(alknet.Spec{
		Name: "/bench/clock", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["first","every","count"],"additionalProperties":false,
			"properties":{"first":{"type":"integer"},"every":{"type":"integer","minimum":1},"count":{"type":"integer","minimum":1}}}`),
	}, func(ctx context.Context, r *alknet.Request, send func(any) error) error {
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
