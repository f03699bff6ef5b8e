package node

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
)

// served is a server whose configuration is a file that a test writes.
type served struct {
	*Server
	dir    string
	file   string
	log    *logged
	opened chan *Session
}

// serveFile starts a server with the text as its alknet.toml.
func serveFile(t testing.TB, text string) *served {
	t.Helper()
	s := &served{dir: t.TempDir(), log: newLog(), opened: make(chan *Session, 16)}
	s.file = filepath.Join(s.dir, "alknet.toml")
	s.write(t, "alknet.toml", text)
	registry := call.NewRegistry()
	for name, scope := range map[string]string{"/math/square": "math", "/open/square": ""} {
		spec := call.OperationSpec{Name: name}
		if scope != "" {
			spec.AccessControl.RequiredScopes = []string{scope}
		}
		must(t, registry.Handle(spec, func(_ context.Context, req *call.Request) (any, error) {
			var n int
			if err := json.Unmarshal(req.Input(), &n); err != nil {
				return nil, err
			}
			return n * n, nil
		}))
	}
	level := new(slog.LevelVar)
	server, err := Start(context.Background(), ServerConfig{
		HeadConfig: HeadConfig{Key: newKey(t), Registry: registry, OnSession: func(o *Session) { s.opened <- o }, Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: level}))},
		Load:       func() (*config.Config, error) { return config.Load(config.Sources{File: s.file}) },
		Home:       s.dir, Version: "test", Level: level,
	})
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	s.Server = server
	return s
}

func (s *served) write(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

func (s *served) connect(t testing.TB, change func(*ClientConfig)) (*Client, error) {
	t.Helper()
	w := &world{head: s.Head}
	client, err := w.connect(t, func(c *ClientConfig) {
		c.NoReconnect = true
		change(c)
	})
	if err == nil {
		<-s.opened // the client may know of it first
	}
	return client, err
}

func (s *served) as(t testing.TB, key ed25519.PrivateKey) *Client {
	t.Helper()
	client, err := s.connect(t, func(c *ClientConfig) { c.Key = key })
	must(t, err)
	return client
}

const loopback = "[[listeners]]\naddress = \"127.0.0.1:0\"\n"

// grant is an [[auth.keys]] entry.
func grant(key ed25519.PrivateKey, more string) string {
	return fmt.Sprintf("[[auth.keys]]\npublic_key = %q\n%s\n", auth.MarshalPublicKey(public(key), ""), more)
}

func TestReload(t *testing.T) {
	user, admin := newKey(t), newKey(t)
	head := loopback + grant(admin, `scopes = ["admin"]`)
	s := serveFile(t, head+grant(user, `scopes = ["math"]`))
	ctx := context.Background()
	asUser, asAdmin := s.as(t, user), s.as(t, admin)
	square := func(want string) {
		t.Helper()
		_, err := asUser.Call(ctx, "/math/square", 3)
		if want == "" {
			must(t, err)
		} else {
			wantCode(t, err, call.Code(want))
		}
	}
	reload := func() (Reloaded, error) {
		t.Helper()
		output, err := asAdmin.Call(ctx, "/head/config/reload", nil)
		var done Reloaded
		if err == nil {
			must(t, json.Unmarshal(output, &done))
		}
		return done, err
	}
	square("")
	_, err := asUser.Call(ctx, "/head/config/reload", nil)
	wantCode(t, err, call.Forbidden)

	// A scope less, without a new session.
	s.write(t, "alknet.toml", head+grant(user, "scopes = []")+"[log]\nlevel = \"warn\"\n[node]\nname = \"other\"\n")
	done, err := reload()
	must(t, err)
	if !slices.Equal(done.Changed, []string{"auth.keys[1].scopes", "log.level", "node.name"}) || !slices.Equal(done.Restart, []string{"node.name"}) || done.Keys != 2 || done.Ended != 0 {
		t.Errorf("%+v", done)
	}
	square("FORBIDDEN")
	if s.cfg.Level.Level() != slog.LevelWarn {
		t.Errorf("the level is %v", s.cfg.Level.Level())
	}

	// A mistake changes nothing, and every mistake is told with its place.
	s.write(t, "alknet.toml", head+grant(user, `scopes = ["math"]`)+"\n[limits]\nconection = 1\nmax_frame = \"x\"\n")
	_, err = reload()
	var refused *call.Error
	if !errors.As(err, &refused) || refused.Code != ConfigInvalid {
		t.Fatalf("error %v", err)
	}
	var details struct{ Errors config.Errors }
	must(t, json.Unmarshal(refused.Details, &details))
	if len(details.Errors) != 2 || details.Errors[0].File != s.file || details.Errors[0].Line == 0 || details.Errors[0].Key != "limits.conection" || details.Errors[0].Suggestion != "connections" {
		t.Errorf("details %s", refused.Details)
	}
	if text := s.log.wait("max_frame"); !strings.Contains(text, "alknet.toml:") || !strings.Contains(text, "the configuration stays as it was") {
		t.Errorf("logged %q", text)
	}
	square("FORBIDDEN")

	// A mistake in a file that the configuration names has its place there.
	s.write(t, "authorized_keys", "# the team\nssh-ed25519 nonsense\n")
	s.write(t, "alknet.toml", head+grant(user, `scopes = ["math"]`))
	if _, err = reload(); err == nil || !strings.Contains(err.Error(), filepath.Join(s.dir, "authorized_keys")+":2:1: auth.authorized_keys: ") {
		t.Errorf("error %v", err)
	}
	square("FORBIDDEN")
	s.write(t, "authorized_keys", "")
	_, err = reload()
	must(t, err)
	square("")

	// The key is gone, and its session with it.
	s.write(t, "alknet.toml", head)
	if done, err = reload(); err != nil || done.Ended != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	<-asUser.Done()
	if _, err := s.connect(t, func(c *ClientConfig) { c.Key = user }); call.CodeOf(err) != call.Unauthenticated {
		t.Errorf("the revoked key: %v", err)
	}
}

// Whatever ends a credential ends its sessions, and nobody else's.
func TestRevocation(t *testing.T) {
	user, bystander, ca, certified := newKey(t), newKey(t), newKey(t), newKey(t)
	text, kept := auth.NewAPIKey()
	apiKey := fmt.Sprintf("[[auth.api_keys]]\nprefix = %q\nsha256 = %q\n", kept.Prefix, hex.EncodeToString(kept.Hash[:]))
	authority := grant(ca, "cert_authority = true")
	head := loopback + grant(bystander, "")
	revokedFile := func(key ed25519.PrivateKey) func(*served) string {
		return func(s *served) string {
			s.write(t, "revoked", auth.MarshalPublicKey(public(key), "gone")+"\n")
			return "[auth]\nrevoked_keys = \"revoked\"\n"
		}
	}
	for _, c := range []struct {
		name   string
		before string
		client func(*ClientConfig)
		after  func(*served) string
	}{
		{"key", grant(user, ""), func(c *ClientConfig) { c.Key = user }, func(*served) string { return "" }},
		{"token", grant(user, ""), func(c *ClientConfig) { c.Key, c.Token = nil, tokenOf(t, user, time.Now()) }, func(*served) string { return "" }},
		{"expired", grant(user, ""), func(c *ClientConfig) { c.Key = user }, func(*served) string { return grant(user, "expires = 2020-01-01") }},
		{"elsewhere", grant(user, ""), func(c *ClientConfig) { c.Key = user }, func(*served) string { return grant(user, `from = ["192.0.2.0/24"]`) }},
		{"API key", apiKey, func(c *ClientConfig) { c.Key, c.Token = nil, text }, func(*served) string { return "" }},
		{"authority", authority, func(c *ClientConfig) { c.Key, c.Certificate = certified, certify(t, ca, public(certified), nil) }, func(*served) string { return "" }},
		{"principal", authority, func(c *ClientConfig) { c.Key, c.Certificate = certified, certify(t, ca, public(certified), nil) }, func(*served) string { return authority + `principals = ["ops"]` }},
		{"revoked key", grant(user, ""), func(c *ClientConfig) { c.Key = user }, func(s *served) string { return revokedFile(user)(s) + grant(user, "") }},
		{"revoked certificate", authority, func(c *ClientConfig) { c.Key, c.Certificate = certified, certify(t, ca, public(certified), nil) }, func(s *served) string { return revokedFile(certified)(s) + authority }},
		{"anonymous", "[auth]\nallow_anonymous = true\n", func(c *ClientConfig) { c.Key = nil }, func(*served) string { return "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveFile(t, head+c.before)
			victim, err := s.connect(t, c.client)
			must(t, err)
			other := s.as(t, bystander)
			s.write(t, "alknet.toml", head+c.after(s))
			begun := time.Now()
			done, err := s.Reload()
			if err != nil || done.Ended != 1 {
				t.Errorf("%+v, %v", done, err)
			}
			<-victim.Done()
			t.Logf("its session ended after %v", time.Since(begun))
			if _, err := other.Call(context.Background(), "/open/square", 2); err != nil {
				t.Error(err)
			}
			_, err = s.connect(t, c.client)
			wantCode(t, err, call.Unauthenticated)
		})
	}
}

// A session ends when its credential does, without a reload.
func TestCredentialThatEnds(t *testing.T) {
	user := newKey(t)
	s := serveFile(t, loopback+grant(user, "expires = "+time.Now().Add(time.Second).Format(time.RFC3339Nano)))
	client, err := s.connect(t, func(c *ClientConfig) { c.Key = user })
	must(t, err)
	<-client.Done()
	_, err = s.connect(t, func(c *ClientConfig) { c.Key = user })
	wantCode(t, err, call.Unauthenticated)
}

func TestStartTellsEverythingThatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "alknet.toml")
	must(t, os.WriteFile(file, []byte(`[[listeners]]
address = "127.0.0.1:99999"
[tls]
certificate = "cert.pem"
key = "key.pem"
[auth]
authorized_keys = "keys"
[[auth.keys]]
public_key = "ssh-rsa AAAA"
from = ["!192.0.2.1"]
`), 0o600))
	_, err := Start(context.Background(), ServerConfig{
		HeadConfig: HeadConfig{Key: newKey(t), Registry: call.NewRegistry()}, Home: dir,
		Load: func() (*config.Config, error) { return config.Load(config.Sources{File: file}) },
	})
	want := strings.ReplaceAll(`DIR/alknet.toml:2:1: listeners[0].address: address "alknet://127.0.0.1:99999": port "99999" is not a number from 0 to 65535
DIR/alknet.toml:4:1: tls.certificate: open DIR/cert.pem: no such file or directory
DIR/alknet.toml:7:1: auth.authorized_keys: DIR/keys cannot be read: no such file or directory
DIR/alknet.toml:9:1: auth.keys[0].public_key: this is not a public key: want a line such as `+"`ssh-ed25519 AAAA… name`", "DIR", dir)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
}
