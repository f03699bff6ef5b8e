package node

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code call.Code) {
	t.Helper()
	if err == nil || call.CodeOf(err) != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := auth.GenerateKey()
	must(t, err)
	return key
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// listens are the addresses that the shared suite runs over.
func listens(t testing.TB) map[string]string {
	return map[string]string{
		"quic": "quic://127.0.0.1:0", "tls": "tls://127.0.0.1:0", "tcp": "tcp://127.0.0.1:0",
		"unix": "unix://" + filepath.Join(t.TempDir(), "s"), "alknet": "127.0.0.1:0",
	}
}

// world is a head with one authorized client key.
type world struct {
	head      *Head
	headKey   ed25519.PrivateKey
	clientKey ed25519.PrivateKey
	keys      *auth.KeySet
	sessions  chan *Session
}

func start(t testing.TB, listen string, change func(*HeadConfig)) *world {
	t.Helper()
	w := &world{headKey: newKey(t), clientKey: newKey(t), sessions: make(chan *Session, 64)}
	w.keys = auth.NewKeySet([]auth.Grant{{Key: public(w.clientKey), Scopes: []string{"test"}}}, nil)
	registry := call.NewRegistry()
	must(t, AddBuiltins(registry, Info{Name: "head"}))
	cfg := HeadConfig{Listen: []string{listen}, Key: w.headKey, Provider: w.keys, Registry: registry, OnSession: func(s *Session) { w.sessions <- s }}
	if change != nil {
		change(&cfg)
	}
	head, err := Serve(context.Background(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, head.Close()) })
	w.head = head
	return w
}

func (w *world) connect(t testing.TB, change func(*ClientConfig)) (*Client, error) {
	t.Helper()
	cfg := ClientConfig{Address: w.head.Addresses()[0], Key: w.clientKey, Registry: call.NewRegistry()}
	if change != nil {
		change(&cfg)
	}
	client, err := Connect(context.Background(), cfg)
	if err == nil {
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			client.Close(ctx)
		})
	}
	return client, err
}

func TestEveryTransportBothWays(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			w := start(t, listen, nil)
			mine := call.NewRegistry()
			must(t, mine.Handle(call.OperationSpec{Name: "/client/double"}, func(_ context.Context, req *call.Request) (any, error) {
				var n int
				must(t, json.Unmarshal(req.Input(), &n))
				return 2 * n, nil
			}))
			must(t, mine.HandleStream(call.OperationSpec{Name: "/client/count"}, func(_ context.Context, _ *call.Request, send func(any) error) error {
				for i := range 1000 {
					if err := send(i); err != nil {
						return err
					}
				}
				return nil
			}))
			client, err := w.connect(t, func(c *ClientConfig) { c.Registry = mine })
			must(t, err)
			session := <-w.sessions
			if session.Identity().ID != principal.Fingerprint(public(w.clientKey)) || session.EndpointID() == "" && (name == "quic" || name == "tls") {
				t.Errorf("identity %+v, key %v", session.Identity(), session.Key)
			}
			ctx := context.Background()
			got, err := client.Call(ctx, "/echo/echo", "hello")
			if err != nil || string(got) != `"hello"` {
				t.Errorf("echo: %s, %v", got, err)
			}
			got, err = session.Call(ctx, "/client/double", 21)
			if err != nil || string(got) != "42" {
				t.Errorf("call back: %s, %v", got, err)
			}
			large := strings.Repeat("x", 3<<20)
			got, err = client.Call(ctx, "/echo/echo", large)
			if err != nil || len(got) != len(large)+2 {
				t.Errorf("large: %d bytes, %v", len(got), err)
			}
			var both sync.WaitGroup
			both.Go(func() {
				sub, err := session.Subscribe(ctx, "/client/count", nil, call.WithWindow(32))
				must(t, err)
				for i := range 1000 {
					if event, err := sub.Next(ctx); err != nil || string(event) != fmt.Sprint(i) {
						t.Errorf("event %d: %s, %v", i, event, err)
						return
					}
				}
				if _, err := sub.Next(ctx); err != io.EOF {
					t.Errorf("end: %v", err)
				}
			})
			both.Go(func() {
				sub, err := client.Subscribe(ctx, "/clock/ticks", map[string]int{"interval": 10, "count": 3})
				must(t, err)
				for range 3 {
					_, err := sub.Next(ctx)
					must(t, err)
				}
				if _, err := sub.Next(ctx); err != io.EOF {
					t.Errorf("end: %v", err)
				}
			})
			both.Wait()
			must(t, w.head.Shutdown(ctx))
			_, err = client.Call(ctx, "/echo/echo", 1)
			wantCode(t, err, call.Unavailable)
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			w := start(t, listen, nil)
			_, err := w.connect(t, func(c *ClientConfig) { c.Key = newKey(t) })
			wantCode(t, err, call.Unauthenticated)
			_, err = w.connect(t, func(c *ClientConfig) { c.Key = nil })
			wantCode(t, err, call.Unauthenticated)
			other := newKey(t)
			_, err = w.connect(t, func(c *ClientConfig) {
				a, parseErr := transport.ParseAddress(c.Address)
				must(t, parseErr)
				a.Peer = public(other)
				c.Address = a.String()
			})
			var mismatch *transport.PinMismatchError
			if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), principal.Fingerprint(public(other))) || !strings.Contains(err.Error(), w.head.Fingerprint()) {
				t.Errorf("wrong pin: %v", err)
			}
		})
	}
}

func TestTokenInPlaceOfKey(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			w := start(t, listen, nil)
			token, err := auth.NewToken(w.clientKey, time.Now())
			must(t, err)
			client, err := w.connect(t, func(c *ClientConfig) { c.Key, c.Token = nil, token })
			must(t, err)
			if s, err := client.Session(); err != nil || s.Peer().Identity.ID != principal.Fingerprint(public(w.clientKey)) {
				t.Errorf("taken for %+v, %v", s.Peer().Identity, err)
			}
		})
	}
}

func TestAnonymous(t *testing.T) {
	w := start(t, "127.0.0.1:0", func(c *HeadConfig) { c.AllowAnonymous = true })
	for _, key := range []bool{true, false} {
		client, err := w.connect(t, func(c *ClientConfig) {
			if c.Key = nil; key {
				c.Key = newKey(t)
			}
		})
		must(t, err)
		if _, err := client.Call(context.Background(), "/echo/echo", 1); err != nil {
			t.Error(err)
		}
		if s := <-w.sessions; s.Identity() != nil {
			t.Errorf("identity %+v", s.Identity())
		}
	}
}

// A head may call a node back in the moment that its session opens.
func TestCallbackAtOnce(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			answers := make(chan error, 20)
			w := start(t, listen, func(c *HeadConfig) {
				c.OnSession = func(s *Session) {
					_, err := s.Call(context.Background(), "/services/list", nil)
					answers <- err
				}
			})
			for range cap(answers) {
				_, err := w.connect(t, nil)
				must(t, err)
				must(t, <-answers)
			}
		})
	}
}

// A call that finishes while its head shuts down gets its answer.
func TestShutdownAnswers(t *testing.T) {
	for name, listen := range listens(t) {
		for _, size := range []int{10, 200_000} { // the large one takes a stream of its own
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				for range 10 {
					started, release := make(chan struct{}), make(chan struct{})
					w := start(t, listen, nil)
					must(t, w.head.cfg.Registry.Handle(call.OperationSpec{Name: "/slow/slow"}, func(context.Context, *call.Request) (any, error) {
						close(started)
						<-release
						return strings.Repeat("x", size), nil
					}))
					client, err := w.connect(t, func(c *ClientConfig) { c.NoReconnect = true })
					must(t, err)
					answer := make(chan error, 1)
					go func() {
						_, err := client.Call(context.Background(), "/slow/slow", nil)
						answer <- err
					}()
					<-started
					ended := make(chan error, 1)
					go func() { ended <- w.head.Shutdown(context.Background()) }()
					close(release)
					must(t, <-answer)
					must(t, <-ended)
				}
			})
		}
	}
}

func TestReconnect(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for the client's pauses
			w := start(t, listen, nil)
			states := make(chan State, 16)
			client, err := w.connect(t, func(c *ClientConfig) { c.OnState = func(s State) { states <- s } })
			must(t, err)
			<-w.sessions
			address, err := transport.ParseAddress(w.head.Addresses()[0])
			must(t, err)
			address.Peer = nil
			must(t, w.head.Close())
			if s := <-states; s.Status != Disconnected || call.CodeOf(s.Err) != call.Unavailable {
				t.Fatalf("state %+v", s)
			}
			_, err = client.Call(context.Background(), "/echo/echo", 1)
			wantCode(t, err, call.Unavailable)
			cfg := w.head.cfg
			cfg.Listen = []string{address.String()}
			again, err := Serve(context.Background(), cfg)
			must(t, err)
			defer again.Close()
			if s := <-states; s.Status != Reconnected {
				t.Fatalf("state %+v", s)
			}
			_, err = client.Call(context.Background(), "/echo/echo", 1)
			must(t, err)
			// A key that is not authorized any more ends the client instead. The head may
			// know of the session a moment later than the client.
			w.keys.Replace(nil, nil)
			(<-w.sessions).Close("revoked")
			if s := <-states; s.Status != Disconnected {
				t.Fatalf("state %+v", s)
			}
			if s := <-states; s.Status != Closed || call.CodeOf(s.Err) != call.Unauthenticated {
				t.Fatalf("state %+v", s)
			}
			<-client.Done()
		})
	}
}

// What a handler answers while the head drains arrives, whatever the transport does
// with unsent bytes when it is closed.
func TestShutdownDeliversAnswers(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{10, 1 << 20} {
				for range 20 {
					begun, finish := make(chan struct{}), make(chan struct{})
					w := start(t, listen, func(c *HeadConfig) {
						must(t, c.Registry.Handle(call.OperationSpec{Name: "/slow/answer"}, func(context.Context, *call.Request) (any, error) {
							close(begun)
							<-finish
							return strings.Repeat("x", size), nil
						}))
					})
					client, err := w.connect(t, func(c *ClientConfig) { c.NoReconnect = true })
					must(t, err)
					<-w.sessions // the head knows of it
					var all sync.WaitGroup
					all.Go(func() {
						got, err := client.Call(context.Background(), "/slow/answer", nil)
						if err != nil || len(got) != size+2 {
							t.Errorf("answer of %d bytes: %d bytes, %v", size, len(got), err)
						}
					})
					<-begun
					all.Go(func() { must(t, w.head.Shutdown(context.Background())) })
					// It drains once new requests are refused.
					for err = nil; err == nil; {
						_, err = client.Call(context.Background(), "/echo/echo", 1)
					}
					wantCode(t, err, call.Unavailable)
					close(finish)
					all.Wait()
					<-client.Done()
				}
			}
		})
	}
}
