package service_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/service"
)

// Example offers an operation from a process apart, and has a handler of a node invoke
// it. Here both are one process, with a Unix socket between them.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "service")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	serviceKey, _ := auth.GenerateKey()
	nodeKey, _ := auth.GenerateKey()

	// The service: its operations, and the node that may invoke them.
	operations := call.NewRegistry()
	_ = operations.Handle(call.OperationSpec{Name: "/text/length"}, func(_ context.Context, req *call.Request) (any, error) {
		return len(req.Input()) - 2, nil // without the quotes
	})
	server, err := service.Serve(ctx, service.ServerConfig{
		Listen: []string{"unix://" + filepath.Join(folder, "socket")}, Key: serviceKey, Registry: operations,
		Provider: auth.NewKeySet([]auth.Grant{{Key: nodeKey.Public().(ed25519.PublicKey), Scopes: []string{service.ScopeOperations}}}, nil),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	// The node: its handlers reach the namespace text in the service.
	client, err := service.Connect(ctx, service.ClientConfig{Address: server.Addresses()[0], Key: nodeKey})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	node := call.NewRegistry()
	_ = node.Attach("text", client)
	done := make(chan struct{})
	_ = node.Handle(call.OperationSpec{Name: "/report/make"}, func(ctx context.Context, req *call.Request) (any, error) {
		defer close(done)
		length, err := req.Invoke(ctx, "text", "length", "hello")
		fmt.Println(string(length), err)
		return length, err
	}, call.WithReach("/text/*"))

	node.Start(call.Single, "/report/make", nil, &call.Options{}, nil, nil, ignore{})
	<-done
	// Output: 5 <nil>
}

// ignore is a call.Sink.
type ignore struct{}

func (ignore) Responded([]byte)   {}
func (ignore) Event([]byte)       {}
func (ignore) Completed()         {}
func (ignore) Failed(*call.Error) {}
