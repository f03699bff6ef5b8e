package node

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/transport"
)

// TestRejoin restarts the head: the worker comes back under its name by itself, and
// does not when somebody else has it.
func TestRejoin(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken=%v", taken), func(t *testing.T) {
			w := start(t, "127.0.0.1:0", nil)
			rival := newKey(t)
			w.keys.Replace([]auth.Grant{{Key: public(w.clientKey), Scopes: []string{"node:register:dev1"}}, {Key: public(rival), Scopes: []string{"node:register"}}}, nil)
			registry := call.NewRegistry()
			must(t, registry.Handle(call.OperationSpec{Name: "/x/y"}, func(context.Context, *call.Request) (any, error) { return 1, nil }))
			states := make(chan State, 16)
			worker, err := w.connect(t, func(c *ClientConfig) { c.Registry, c.OnState = registry, func(s State) { states <- s } })
			must(t, err)
			ctx := context.Background()
			must(t, worker.Join(ctx, "dev1"))
			address, err := transport.ParseAddress(w.head.Addresses()[0])
			must(t, err)
			pinned := address.String()
			address.Peer = nil
			must(t, w.head.Close())
			if s := <-states; s.Status != Disconnected {
				t.Fatalf("state %+v", s)
			}
			cfg := w.head.cfg
			cfg.Listen = []string{address.String()}
			cfg.Registry = call.NewRegistry()
			again, err := Serve(ctx, cfg)
			must(t, err)
			defer again.Close()
			other, err := Connect(ctx, ClientConfig{Address: pinned, Key: rival, Registry: call.NewRegistry()})
			must(t, err)
			defer closeNow(other)
			if taken {
				must(t, other.Join(ctx, "dev1"))
			}
			watch, err := other.Subscribe(ctx, "/head/nodes/watch", map[string]bool{"snapshot": true})
			must(t, err)
			if s := <-states; s.Status != Reconnected {
				t.Fatalf("state %+v", s)
			}
			if taken {
				if s := <-states; s.Status != Left || call.CodeOf(s.Err) != call.Conflict {
					t.Fatalf("state %+v", s)
				}
				must(t, worker.Announced(ctx))
				return
			}
			must(t, worker.Announced(ctx))
			raw, err := watch.Next(ctx)
			must(t, err)
			var event struct{ Event string }
			must(t, json.Unmarshal(raw, &event))
			if got, err := other.Call(ctx, "/dev1/x/y", nil); event.Event != "joined" || err != nil || string(got) != "1" {
				t.Errorf("%s, %s, %v", raw, got, err)
			}
		})
	}
}

// closeNow closes a client without letting anything finish.
func closeNow(client *Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	client.Close(ctx)
}

// TestForwardedOverEveryTransport calls through a head with the caller's transport
// varied, and the worker's where it proves keys.
func TestForwardedOverEveryTransport(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			w := start(t, listen, func(c *HeadConfig) { c.Listen = append(c.Listen, "127.0.0.1:0") })
			workerKey := newKey(t)
			w.keys.Replace([]auth.Grant{{Key: public(w.clientKey)}, {Key: public(workerKey), Scopes: []string{"node:register"}}}, nil)
			registry := call.NewRegistry()
			must(t, registry.Handle(call.OperationSpec{Name: "/x/echo"}, func(_ context.Context, req *call.Request) (any, error) { return req.Input(), nil }))
			must(t, registry.HandleStream(call.OperationSpec{Name: "/x/count"}, func(_ context.Context, _ *call.Request, send func(any) error) error {
				for i := range 3000 {
					if err := send(i); err != nil {
						return err
					}
				}
				return nil
			}))
			ctx := context.Background()
			worker, err := w.connect(t, func(c *ClientConfig) {
				c.Registry, c.Key = registry, workerKey
				if name != "quic" && name != "tls" {
					c.Address = w.head.Addresses()[1]
				}
			})
			must(t, err)
			must(t, worker.Join(ctx, "dev1"))
			client, err := w.connect(t, nil)
			must(t, err)
			for _, size := range []int{1, 70 << 10, 3 << 20} {
				input := make([]byte, size)
				for i := range input {
					input[i] = 'x'
				}
				got, err := client.Call(ctx, "/dev1/x/echo", string(input))
				if err != nil || len(got) != size+2 {
					t.Errorf("%d bytes: got %d, %v", size, len(got), err)
				}
			}
			sub, err := client.Subscribe(ctx, "/dev1/x/count", nil, call.WithWindow(16))
			must(t, err)
			for i := range 3000 {
				if event, err := sub.Next(ctx); err != nil || string(event) != fmt.Sprint(i) {
					t.Fatalf("event %d: %s, %v", i, event, err)
				}
			}
		})
	}
}

// ExampleClient_Join connects a worker to a head and calls it through the head.
func ExampleClient_Join() {
	ctx := context.Background()
	headKey, _ := auth.GenerateKey()
	workerKey, _ := auth.GenerateKey()
	userKey, _ := auth.GenerateKey()
	grants := []auth.Grant{
		{Key: workerKey.Public().(ed25519.PublicKey), Scopes: []string{"node:register:dev1"}},
		{Key: userKey.Public().(ed25519.PublicKey), Scopes: []string{"greet"}},
	}
	head, err := Serve(ctx, HeadConfig{Listen: []string{"127.0.0.1:0"}, Key: headKey, Provider: auth.NewKeySet(grants, nil), Registry: call.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer head.Close()

	// The worker: its operations are in its registry, and the head's address pins the key.
	operations := call.NewRegistry()
	_ = operations.Handle(call.OperationSpec{
		Name: "/greet/hello", Type: call.TypeQuery, Description: "Greets",
		InputSchema:   json.RawMessage(`{"type":"string"}`),
		AccessControl: call.AccessControl{RequiredScopes: []string{"greet"}},
	}, func(_ context.Context, req *call.Request) (any, error) {
		var name string
		if err := json.Unmarshal(req.Input(), &name); err != nil {
			return nil, err
		}
		return "hello " + name, nil
	})
	worker, err := Connect(ctx, ClientConfig{Address: head.Addresses()[0], Key: workerKey, Registry: operations})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer worker.Close(ctx)
	if err := worker.Join(ctx, "dev1"); err != nil {
		fmt.Println(err)
		return
	}

	// The user: the worker sees the user's identity, which the head passes on.
	user, err := Connect(ctx, ClientConfig{Address: head.Addresses()[0], Key: userKey, Registry: call.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer user.Close(ctx)
	output, err := user.Call(ctx, "/dev1/greet/hello", "world")
	fmt.Println(string(output), err)
	// Output: "hello world" <nil>
}
