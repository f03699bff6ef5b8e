package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	alknet "github.com/alkdev/alknet/go"
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
	clientKey, err := alknet.GenerateKey()
	if err != nil {
		return nil, err
	}
	keyFile := filepath.Join(os.TempDir(), "alknet-bench-"+rand.Text())
	if err := alknet.WriteKey(keyFile, clientKey, "bench", nil); err != nil {
		return nil, err
	}
	clientText, err := os.ReadFile(keyFile)
	if err := errors.Join(err, os.Remove(keyFile)); err != nil {
		return nil, err
	}
	head := &alknet.Node{}
	line := `scopes="bench" ` + alknet.AuthorizedKey(clientKey.Public().(ed25519.PublicKey), "client")
	if head.Identities, err = alknet.AuthorizedKeys([]byte(line)); err != nil {
		return nil, err
	}
	if err := operations(head); err != nil {
		return nil, err
	}
	server, err := head.Listen(context.Background(), listen)
	if err != nil {
		return nil, err
	}
	return map[string]string{"address": server.Addresses()[0], "clientKey": string(clientText)}, nil
}

// operations offers those of the benchmark, with input schemas and a required scope.
func operations(node *alknet.Node) error {
	access := alknet.AccessControl{RequiredScopes: []string{"bench"}}
	if err := node.Handle(alknet.Spec{
		Name: "/bench/echo", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["seq","kind","data"],"additionalProperties":false,
			"properties":{"seq":{"type":"integer"},"kind":{"type":"string"},"data":{"type":"string"}}}`),
	}, func(_ context.Context, req *alknet.Request) (any, error) { return req.Input(), nil }); err != nil {
		return err
	}
	return node.HandleStream(alknet.Spec{
		Name: "/bench/events", AccessControl: access,
		InputSchema: json.RawMessage(`{"type":"object","required":["n","size"]}`),
	}, func(ctx context.Context, req *alknet.Request, send func(any) error) error {
		return Events(ctx, req.Input(), func(ev []byte) error { return send(json.RawMessage(ev)) })
	})
}
