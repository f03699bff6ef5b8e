package service

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
)

// memory is a SecretService in the test's own memory: keys are hashes of their paths.
type memory struct{ locked atomic.Bool }

func (m *memory) key(key SecretKey) (ed25519.PrivateKey, error) {
	switch {
	case m.locked.Load():
		return nil, call.Errorf("LOCKED", "the store is locked")
	case key.Type != "ed25519" || !strings.HasPrefix(key.Path, "m/"):
		return nil, call.Errorf("INVALID_PATH", "no such key")
	}
	seed := sha256.Sum256([]byte(key.Path))
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

func (m *memory) PublicKey(_ context.Context, key SecretKey) ([]byte, error) {
	private, err := m.key(key)
	if err != nil {
		return nil, err
	}
	return private.Public().(ed25519.PublicKey), nil
}

func (m *memory) Sign(_ context.Context, key SecretKey, message []byte) ([]byte, error) {
	private, err := m.key(key)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(private, message), nil
}

func (m *memory) cipher(version uint32) (cipher.AEAD, error) {
	if m.locked.Load() {
		return nil, call.Errorf("LOCKED", "the store is locked")
	}
	if version == 0 {
		return nil, call.Errorf("UNKNOWN_KEY_VERSION", "no such version")
	}
	key := sha256.Sum256(binary.BigEndian.AppendUint32(nil, version))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (m *memory) Encrypt(_ context.Context, plaintext []byte, version uint32) (Sealed, error) {
	gcm, err := m.cipher(version)
	if err != nil {
		return Sealed{}, err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return Sealed{KeyVersion: version, IV: nonce, Data: gcm.Seal(nil, nonce, plaintext, nil)}, nil
}

func (m *memory) Decrypt(ctx context.Context, sealed Sealed) ([]byte, error) {
	if sealed.KeyVersion == 77 { // hangs
		<-ctx.Done()
		return nil, ctx.Err()
	}
	gcm, err := m.cipher(sealed.KeyVersion)
	if err != nil {
		return nil, err
	}
	plaintext, err := gcm.Open(nil, sealed.IV, sealed.Data, nil)
	if err != nil {
		return nil, call.Errorf("DECRYPTION_FAILED", "this is not what was sealed")
	}
	return plaintext, nil
}

// TestSecretService runs one suite over the SecretService itself and over each link.
func TestSecretService(t *testing.T) {
	m := &memory{}
	places := map[string]SecretService{"in process": m}
	for name, listen := range listens(t) {
		_, client := serve(t, listen, ServerConfig{Secrets: m}, ScopeSecrets)
		places[name] = client.Secrets()
	}
	for name, s := range places {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			key := SecretKey{Path: "m/74'/3'/0'", Type: "ed25519"}
			public, err := s.PublicKey(ctx, key)
			must(t, err)
			signature, err := s.Sign(ctx, key, []byte("message"))
			if err != nil || !ed25519.Verify(public, []byte("message"), signature) {
				t.Errorf("signature %x, %v", signature, err)
			}
			plaintext := bytes.Repeat([]byte{0, 0xff, '"'}, 100_000)
			sealed, err := s.Encrypt(ctx, plaintext, 3)
			must(t, err)
			opened, err := s.Decrypt(ctx, sealed)
			if err != nil || !bytes.Equal(opened, plaintext) || sealed.KeyVersion != 3 {
				t.Errorf("opened %d bytes, %v", len(opened), err)
			}
			sealed.Data[0] ^= 1
			_, err = s.Decrypt(ctx, sealed)
			wantCode(t, err, "DECRYPTION_FAILED")
			_, err = s.Encrypt(ctx, nil, 0)
			wantCode(t, err, "UNKNOWN_KEY_VERSION")
			_, err = s.Sign(ctx, SecretKey{Path: "x", Type: "ed25519"}, nil)
			wantCode(t, err, "INVALID_PATH")
			m.locked.Store(true)
			_, err = s.PublicKey(ctx, key)
			wantCode(t, err, "LOCKED")
			m.locked.Store(false)
			late, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			_, err = s.Decrypt(late, Sealed{KeyVersion: 77})
			wantCode(t, err, call.Timeout)
		})
	}
}

// TestConfigService does so for the ConfigService.
func TestConfigService(t *testing.T) {
	for _, name := range []string{"in process", "unix", "quic"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "alknet.toml")
			must(t, os.WriteFile(path, []byte("[node]\nname = \"a\"\n"), 0o600))
			file, err := OpenConfigFile(path)
			must(t, err)
			s := ConfigService(file)
			if listen, ok := listens(t)[name]; ok {
				_, client := serve(t, listen, ServerConfig{Config: file}, ScopeConfig)
				s = client.Config()
			}
			ctx := context.Background()
			first, err := s.Read(ctx)
			if err != nil || string(first.Text) != "[node]\nname = \"a\"\n" || first.Version == "" {
				t.Fatalf("%+v, %v", first, err)
			}
			if again, err := s.Next(ctx, ""); err != nil || again.Version != first.Version {
				t.Errorf("%+v, %v", again, err)
			}
			late, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			_, err = s.Next(late, first.Version)
			wantCode(t, err, call.Timeout)
			next := make(chan Document, 1)
			go func() {
				d, err := s.Next(ctx, first.Version)
				if err != nil {
					t.Error(err)
				}
				next <- d
			}()
			if changed, err := file.Reload(); changed || err != nil {
				t.Errorf("nothing has changed: %v, %v", changed, err)
			}
			must(t, os.WriteFile(path, []byte("[node]\nname = \"b\"\n"), 0o600))
			changed, err := file.Reload()
			if !changed || err != nil {
				t.Errorf("it has changed: %v, %v", changed, err)
			}
			if d := <-next; string(d.Text) != "[node]\nname = \"b\"\n" || d.Version == first.Version {
				t.Errorf("%+v", d)
			}
			must(t, os.Remove(path))
			if _, err := file.Reload(); err == nil {
				t.Error("a file that is gone was read")
			}
			if d, err := s.Read(ctx); err != nil || string(d.Text) != "[node]\nname = \"b\"\n" {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			server, client := serve(t, listen, ServerConfig{Registry: call.NewRegistry(), Secrets: &memory{}}) // no scope
			ctx := context.Background()
			address := server.Addresses()[0]
			_, err := client.Secrets().PublicKey(ctx, SecretKey{})
			wantCode(t, err, call.Forbidden)
			_, err = client.Config().Read(ctx)
			wantCode(t, err, call.NotFound)
			failed := make(sink, 1)
			client.Start(call.Single, "/services/list", nil, &call.Options{}, nil, failed)
			wantCode(t, <-failed, call.Forbidden)
			_, err = Connect(ctx, ClientConfig{Address: address, Key: newKey(t)})
			wantCode(t, err, call.Unauthenticated)
			other, err := transport.ParseAddress(address)
			must(t, err)
			other.Peer = newKey(t).Public().(ed25519.PublicKey)
			_, err = Connect(ctx, ClientConfig{Address: other.String(), Key: newKey(t)})
			wantCode(t, err, call.Unauthenticated)
			if !strings.Contains(err.Error(), principal.Fingerprint(other.Peer)) {
				t.Errorf("wrong pin: %v", err)
			}
			other.Peer = nil
			for _, bad := range []ClientConfig{{Address: other.String(), Key: newKey(t)}, {Address: address}, {Address: "tcp://127.0.0.1:1", Key: newKey(t)}, {Address: "x", Key: newKey(t)}} {
				_, err := Connect(ctx, bad)
				wantCode(t, err, call.InvalidInput)
			}
		})
	}
	if _, err := Serve(context.Background(), ServerConfig{Listen: []string{"tcp://127.0.0.1:0"}, Key: newKey(t), Provider: auth.NewKeySet(nil, nil)}); err == nil {
		t.Error("a service listens on plain TCP")
	}
}

// sink takes how a call ended.
type sink chan error

func (s sink) Responded([]byte)       { s <- nil }
func (s sink) Event([]byte)           {}
func (s sink) Completed()             { s <- nil }
func (s sink) Failed(err *call.Error) { s <- err }

// TestLossAndReturn ends the service while calls wait, and starts it again.
func TestLossAndReturn(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			started, cause := make(chan struct{}, 8), make(chan error, 8)
			registry := call.NewRegistry()
			must(t, registry.Handle(call.OperationSpec{Name: "/x/hang"}, func(ctx context.Context, _ *call.Request) (any, error) {
				started <- struct{}{}
				<-ctx.Done()
				cause <- context.Cause(ctx)
				return nil, ctx.Err()
			}))
			release := make(chan struct{})
			must(t, registry.Handle(call.OperationSpec{Name: "/x/slow"}, func(context.Context, *call.Request) (any, error) {
				started <- struct{}{}
				<-release
				return 1, nil
			}))
			server, client := serve(t, listen, ServerConfig{Registry: registry}, ScopeOperations)
			invoke := func(op string) sink {
				done := make(sink, 1)
				client.Start(call.Single, op, nil, &call.Options{}, nil, done)
				return done
			}
			// A shutdown lets what runs finish, and fails the rest.
			slow, hang := invoke("/x/slow"), invoke("/x/hang")
			<-started
			<-started
			drain, cancel := context.WithCancel(context.Background())
			over := make(chan error, 1)
			go func() { over <- server.Shutdown(drain) }()
			close(release)
			must(t, <-slow)
			for wait := true; wait; { // until the service takes nothing new
				err := <-invoke("/services/list")
				wait = err == nil
				if err != nil {
					wantCode(t, err, call.Unavailable)
				}
			}
			cancel()
			wantCode(t, <-hang, call.Unavailable)
			wantCode(t, <-cause, call.Aborted)
			must(t, <-over)
			wantCode(t, <-invoke("/services/list"), call.Unavailable)

			cfg := server.cfg
			if address, err := transport.ParseAddress(server.Addresses()[0]); name == "quic" {
				must(t, err)
				address.Peer = nil
				cfg.Listen = []string{address.String()}
			}
			again, err := Serve(context.Background(), cfg)
			must(t, err)
			defer again.Close()
			for { // the client comes back by itself
				err := <-invoke("/services/list")
				if err == nil {
					break
				}
				wantCode(t, err, call.Unavailable)
			}
			// The end of the node stops what it has asked for.
			hang = invoke("/x/hang")
			<-started
			client.Close()
			wantCode(t, <-hang, call.Unavailable)
			wantCode(t, <-cause, call.Aborted)
			wantCode(t, <-invoke("/services/list"), call.Unavailable)
		})
	}
}

// What the requests of one connection keep is bounded, and one of any size fits.
func TestRequestsKeepLittle(t *testing.T) {
	p := &peer{server: &Server{cfg: ServerConfig{MaxInFlight: 10}}, requests: map[uint64]*incoming{}}
	body := requestBody{Operation: "/a/b", Input: make([]byte, 100), Parent: "p", Metadata: map[string]string{"key": "value"}}
	if body.size() != 4+100+1+8 {
		t.Errorf("a request keeps %d bytes", body.size())
	}
	if err := p.remember(&incoming{peer: p, id: 1, held: maxHeld + 1}); err != nil {
		t.Error(err)
	}
	wantCode(t, p.remember(&incoming{peer: p, id: 2, held: 1}), call.ResourceExhausted)
	p = &peer{server: p.server, requests: map[uint64]*incoming{}}
	if err := p.remember(&incoming{peer: p, id: 1, held: maxHeld / 2}); err != nil {
		t.Error(err)
	}
	if err := p.remember(&incoming{peer: p, id: 2, held: maxHeld / 2}); err != nil {
		t.Error(err)
	}
	wantCode(t, p.remember(&incoming{peer: p, id: 3, held: 1}), call.ResourceExhausted)
}

func TestLimits(t *testing.T) {
	started := make(chan struct{}, 8)
	registry := call.NewRegistry()
	must(t, registry.Handle(call.OperationSpec{Name: "/x/hang"}, func(ctx context.Context, _ *call.Request) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	must(t, registry.Handle(call.OperationSpec{Name: "/x/big"}, func(context.Context, *call.Request) (any, error) { return strings.Repeat("x", maxMessage), nil }))
	_, client := serve(t, listens(t)["unix"], ServerConfig{Registry: registry, MaxInFlight: 2}, ScopeOperations)
	var hanging []call.Outgoing
	for range 2 {
		hanging = append(hanging, client.Start(call.Single, "/x/hang", nil, &call.Options{}, nil, make(sink, 1)))
		<-started
	}
	done := make(sink, 1)
	client.Start(call.Single, "/x/hang", nil, &call.Options{}, nil, done)
	wantCode(t, <-done, call.ResourceExhausted)
	for _, o := range hanging {
		o.Abort("enough")
	}
	client.Start(call.Single, "/x/hang", json.RawMessage(`"`+strings.Repeat("x", maxMessage)+`"`), &call.Options{}, nil, done)
	wantCode(t, <-done, call.InvalidInput)
	for { // those that were aborted make room
		client.Start(call.Single, "/x/big", nil, &call.Options{}, nil, done)
		err := <-done
		wantCode(t, err, call.ResourceExhausted)
		if strings.Contains(err.Error(), "larger") {
			break
		}
	}
}

// TestHostileMessages sends a service what no client would.
func TestHostileMessages(t *testing.T) {
	key := newKey(t)
	server, err := Serve(context.Background(), ServerConfig{
		Listen: []string{"unix://" + filepath.Join(t.TempDir(), "s")}, Key: newKey(t), Provider: grants(key, "service:*"), Registry: call.NewRegistry(), Secrets: &memory{},
	})
	must(t, err)
	defer server.Close()
	address, err := transport.ParseAddress(server.Addresses()[0])
	must(t, err)
	hello, err := appendMessage(nil, typeHello, 0, helloBody{})
	must(t, err)
	framed := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	message := func(typ messageType, body any) []byte {
		text, err := appendMessage(nil, typ, 1, body)
		must(t, err)
		return text
	}
	for name, sent := range map[string][]byte{
		"no hello": message(typeCredit, 1), "two hellos": append(bytes.Clone(hello), hello...), "length 0": append(bytes.Clone(hello), 0, 0, 0, 0),
		"length": append(bytes.Clone(hello), 0xff, 0xff, 0xff, 0xff), "not CBOR": append(bytes.Clone(hello), framed(0xff)...), "a map": append(bytes.Clone(hello), framed(0xa0)...),
		"two of three": append(bytes.Clone(hello), framed(0x82, 1, 1)...), "indefinite": append(bytes.Clone(hello), framed(0x9f, 1, 1, 0xf6, 0xff)...),
		"trailing": append(bytes.Clone(hello), framed(0x83, 3, 1, 1, 0)...), "type 99": append(bytes.Clone(hello), message(99, nil)...), "output": append(bytes.Clone(hello), message(typeOutput, outputBody{embed([]byte("1"))})...),
		"request of text": append(bytes.Clone(hello), message(typeRequest, "x")...), "keys twice": append(bytes.Clone(hello), framed(0x83, 1, 1, 0xa2, 1, 0x61, 'x', 1, 0x61, 'y')...),
		"credit of text": append(bytes.Clone(hello), message(typeCredit, "x")...), "abort of text": append(bytes.Clone(hello), message(typeAbort, "x")...),
	} {
		conn, err := transport.Dial(context.Background(), address, transport.DialConfig{Signer: key, Protocol: Protocol, Secure: true})
		must(t, err)
		if _, err = conn.Write(sent); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for err == nil { // the service closes the connection
			_, err = conn.Read(make([]byte, 100))
		}
		_ = conn.Close()
	}
	// What is wrong with one request alone is answered.
	conn, err := transport.Dial(context.Background(), address, transport.DialConfig{Signer: key, Protocol: Protocol, Secure: true})
	must(t, err)
	defer conn.Close()
	stream := bytes.Clone(hello)
	for i, body := range []requestBody{
		{Operation: "/services/list", Input: []byte{0x61, 'x'}}, {Operation: "/services/list", Input: embed([]byte("{"))}, {Operation: "secret.sign", Input: []byte{0x61, 'x'}},
		{Operation: "secret.none", Input: []byte{0xf6}}, {Operation: "", Input: []byte{0xf6}},
	} {
		stream, err = appendMessage(stream, typeRequest, uint64(i+1), body)
		must(t, err)
	}
	_, err = conn.Write(stream)
	must(t, err)
	codes := map[uint64]string{}
	for range 6 {
		m, _, err := readMessage(conn, nil)
		must(t, err)
		var body failedBody
		if m.Type == typeFailed {
			must(t, decoding.Unmarshal(m.Body, &body))
			codes[m.ID] = body.Code
		}
	}
	if got := fmt.Sprint(codes); got != "map[1:INVALID_INPUT 2:INVALID_INPUT 3:INVALID_INPUT 4:NOT_FOUND 5:NOT_FOUND]" {
		t.Errorf("codes %s", got)
	}
}

// FuzzReadMessage reads what a stranger may send: whatever is taken means the same
// once it is written again.
func FuzzReadMessage(f *testing.F) {
	for _, m := range []struct {
		typ  messageType
		body any
	}{
		{typeHello, helloBody{"x"}}, {typeCredit, 5}, {typeAbort, abortBody{"x"}}, {typeCompleted, nil}, {typeFailed, failedBody{Code: "X", Details: embed([]byte("{}"))}},
		{typeRequest, requestBody{Operation: "/a/b", Input: embed([]byte(`{"n":1e400}`)), Metadata: map[string]string{"a": "b"}, Identity: &identityBody{ID: "x", Scopes: []string{"a"}}}},
		{typeOutput, outputBody{embed([]byte("null"))}},
	} {
		text, err := appendMessage(nil, m.typ, 7, m.body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _, err := readMessage(bytes.NewReader(data), nil)
		if err != nil {
			return
		}
		again, err := appendMessage(nil, m.Type, m.ID, m.Body)
		if err != nil {
			return // well-formed, and not valid: what takes the body apart refuses it
		}
		if back, _, err := readMessage(bytes.NewReader(again), nil); err != nil || back.Type != m.Type || back.ID != m.ID || !bytes.Equal(back.Body, m.Body) {
			t.Fatalf("%+v reads again as %+v, %v", m, back, err)
		}
		var request requestBody
		if decoding.Unmarshal(m.Body, &request) == nil {
			if text, ok := embedded(request.Input); ok && len(text) > len(data) {
				t.Fatalf("an input of %d bytes in a message of %d", len(text), len(data))
			}
		}
	})
}

// TestRevokedWhileConnected takes a key, and a scope, away from nodes that are connected.
func TestRevokedWhileConnected(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			key := newKey(t)
			grant := auth.Grant{Key: key.Public().(ed25519.PublicKey), Scopes: []string{ScopeOperations}}
			keys := auth.NewKeySet([]auth.Grant{grant}, nil)
			registry := call.NewRegistry()
			begun := make(chan struct{}, 8)
			must(t, registry.Handle(call.OperationSpec{Name: "/x/waits"}, func(ctx context.Context, _ *call.Request) (any, error) {
				begun <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}))
			server, err := Serve(context.Background(), ServerConfig{Listen: []string{listen}, Key: newKey(t), Provider: keys, Registry: registry})
			must(t, err)
			t.Cleanup(func() { must(t, server.Close()) })
			client, err := Connect(context.Background(), ClientConfig{Address: server.Addresses()[0], Key: key})
			must(t, err)
			t.Cleanup(func() { client.Close() })
			waits := func() sink {
				failed := make(sink, 1)
				client.Start(call.Single, "/x/waits", []byte("null"), &call.Options{}, nil, failed)
				<-begun
				return failed
			}
			running := waits()
			server.Recheck()
			grant.Scopes = []string{"other"}
			keys.Replace([]auth.Grant{grant}, nil)
			server.Recheck()
			wantCode(t, <-running, call.Forbidden)
			grant.Scopes = []string{ScopeOperations}
			keys.Replace([]auth.Grant{grant}, nil)
			server.Recheck()
			running = waits()
			keys.Replace(nil, nil)
			server.Recheck()
			wantCode(t, <-running, call.Unavailable)
			grant.Expires = time.Now().Add(300 * time.Millisecond)
			keys.Replace([]auth.Grant{grant}, nil)
			second, err := Connect(context.Background(), ClientConfig{Address: server.Addresses()[0], Key: key})
			must(t, err)
			t.Cleanup(func() { second.Close() })
			failed := make(sink, 1)
			second.Start(call.Single, "/x/waits", []byte("null"), &call.Options{}, nil, failed)
			<-begun
			wantCode(t, <-failed, call.Unavailable)
		})
	}
}
