package alknet_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log"

	alknet "github.com/alkdev/alknet/go"
)

type Add struct{ A, B int }

func Example() {
	ctx := context.Background()
	key, err := alknet.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	clients, err := alknet.AuthorizedKeys([]byte(`scopes="math" ` + alknet.AuthorizedKey(key.Public().(ed25519.PublicKey), "laptop")))
	if err != nil {
		log.Fatal(err)
	}

	head := &alknet.Node{Identities: clients}
	add := func(_ context.Context, in Add) (int, error) { return in.A + in.B, nil }
	if err := alknet.Handle(head, "/math/add", add, alknet.RequireScopes("math")); err != nil {
		log.Fatal(err)
	}
	server, err := head.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	client := &alknet.Node{Key: key}
	conn, err := client.Connect(ctx, server.Addresses()[0])
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	sum, err := alknet.Call[int](ctx, conn, "/math/add", Add{1, 2})
	fmt.Println(sum, err)
	// Output: 3 <nil>
}

// pair starts a head that accepts the key of a client, and connects the client to it.
func pair(ctx context.Context, head, client *alknet.Node, scopes string) (conn *alknet.Conn, end func(), err error) {
	key, err := alknet.GenerateKey()
	if err != nil {
		return nil, nil, err
	}
	client.Key = key
	head.Identities, err = alknet.AuthorizedKeys([]byte(scopes + " " + alknet.AuthorizedKey(key.Public().(ed25519.PublicKey), "client")))
	if err != nil {
		return nil, nil, err
	}
	server, err := head.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	conn, err = client.Connect(ctx, server.Addresses()[0])
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	return conn, func() { conn.Close(); server.Close() }, nil
}

func ExampleNode_HandleStream() {
	ctx := context.Background()
	head, client := &alknet.Node{}, &alknet.Node{}
	conn, end, err := pair(ctx, head, client, `scopes=""`)
	if err != nil {
		log.Fatal(err)
	}
	defer end()
	err = head.HandleStream(alknet.Spec{Name: "/clock/count", Type: alknet.TypeSubscription}, func(ctx context.Context, req *alknet.Request, send func(any) error) error {
		var in struct{ To int }
		if err := req.Decode(&in); err != nil {
			return err
		}
		for n := 1; n <= in.To; n++ {
			if err := send(n); err != nil { // blocks while the subscriber has no room
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	events, err := conn.Subscribe(ctx, "/clock/count", map[string]int{"To": 3})
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	for {
		event, err := events.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(event))
	}
	// Output:
	// 1
	// 2
	// 3
}

func ExampleConn_Join() {
	ctx := context.Background()
	head, worker := &alknet.Node{}, &alknet.Node{}
	conn, end, err := pair(ctx, head, worker, `scopes="node:register:dev1"`)
	if err != nil {
		log.Fatal(err)
	}
	defer end()
	if err := alknet.Handle(worker, "/host/name", func(context.Context, struct{}) (string, error) { return "dev1", nil }); err != nil {
		log.Fatal(err)
	}
	if err := conn.Join(ctx, "dev1"); err != nil {
		log.Fatal(err)
	}
	// Any client of the head now reaches the worker under its name.
	name, err := alknet.Call[string](ctx, conn, "/host/name", nil, alknet.At("/dev1"))
	fmt.Println(name, err)
	// Output: dev1 <nil>
}

func ExampleRequest_Invoke() {
	ctx := context.Background()
	head, client := &alknet.Node{}, &alknet.Node{}
	conn, end, err := pair(ctx, head, client, `scopes=""`)
	if err != nil {
		log.Fatal(err)
	}
	defer end()
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	if err := alknet.Handle(head, "/math/double", double, alknet.RequireScopes("inner")); err != nil {
		log.Fatal(err)
	}
	// The caller lacks the scope "inner"; the handler has it.
	err = head.Handle(alknet.Spec{Name: "/math/quadruple"}, func(ctx context.Context, req *alknet.Request) (any, error) {
		once, err := req.Invoke(ctx, "/math/double", req.Input())
		if err != nil {
			return nil, err
		}
		return alknet.Invoke[json.RawMessage](ctx, req, "/math/double", once)
	}, alknet.Reach("/math/double"), alknet.WithAuthority(&alknet.Identity{Scopes: []string{"inner"}}))
	if err != nil {
		log.Fatal(err)
	}
	_, err = conn.Call(ctx, "/math/double", 1)
	fmt.Println(alknet.CodeOf(err))
	fmt.Println(alknet.Call[int](ctx, conn, "/math/quadruple", 1))
	// Output:
	// FORBIDDEN
	// 4 <nil>
}

func ExampleError() {
	ctx := context.Background()
	head, client := &alknet.Node{}, &alknet.Node{}
	conn, end, err := pair(ctx, head, client, `scopes=""`)
	if err != nil {
		log.Fatal(err)
	}
	defer end()
	type noUser struct{ ID string }
	spec := alknet.Spec{Name: "/users/get", ErrorSchemas: map[string]json.RawMessage{"NO_USER": json.RawMessage(`{"type":"object"}`)}}
	err = head.Handle(spec, func(context.Context, *alknet.Request) (any, error) {
		failure := alknet.Errorf("NO_USER", "there is no such user")
		failure.Details = json.RawMessage(`{"ID":"ada"}`)
		return nil, failure
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = conn.Call(ctx, "/users/get", nil)
	details, ok := alknet.ErrorDetails[noUser](err, "NO_USER")
	fmt.Println(details.ID, ok)
	fmt.Println(err)
	// Output:
	// ada true
	// NO_USER: there is no such user
}
