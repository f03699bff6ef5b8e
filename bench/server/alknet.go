package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/node"
)

// serveAlknet serves with everything on that production has: mutual keys, input
// schemas, required scopes, credit.
func serveAlknet(listen string) (map[string]string, error) {
	if listen == "unix" {
		folder, err := os.MkdirTemp("", "alknet-bench-")
		if err != nil {
			return nil, err
		}
		atEnd = func() { os.RemoveAll(folder) }
		listen = "unix://" + filepath.Join(folder, "socket")
	} else {
		listen += "://127.0.0.1:0"
	}
	key, err := auth.GenerateKey()
	if err != nil {
		return nil, err
	}
	clientKey, err := auth.GenerateKey()
	if err != nil {
		return nil, err
	}
	clientText, err := auth.MarshalPrivateKey(clientKey, "bench", nil)
	if err != nil {
		return nil, err
	}
	registry, err := operations()
	if err != nil {
		return nil, err
	}
	grants := []auth.Grant{{Key: clientKey.Public().(ed25519.PublicKey), Scopes: []string{"bench"}}}
	head, err := node.Serve(context.Background(), node.HeadConfig{
		Listen: []string{listen}, Key: key, Provider: auth.NewKeySet(grants, nil), Registry: registry,
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"address": head.Addresses()[0], "clientKey": string(clientText)}, nil
}

// operations are those of the benchmark, with input schemas and a required scope.
func operations() (*call.Registry, error) {
	registry := call.NewRegistry()
	access := call.AccessControl{RequiredScopes: []string{"bench"}}
	if err := registry.Handle(call.OperationSpec{
		Name: "/bench/echo", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["seq","kind","data"],"additionalProperties":false,
			"properties":{"seq":{"type":"integer"},"kind":{"type":"string"},"data":{"type":"string"}}}`),
	}, func(_ context.Context, req *call.Request) (any, error) { return req.Input(), nil }); err != nil {
		return nil, err
	}
	if err := registry.HandleStream(call.OperationSpec{
		Name: "/bench/events", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["n","size"]}`),
	}, func(ctx context.Context, req *call.Request, send func(any) error) error {
		return Events(ctx, req.Input(), func(ev []byte) error { return send(json.RawMessage(ev)) })
	}); err != nil {
		return nil, err
	}
	return registry, nil
}
