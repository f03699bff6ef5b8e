package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
)

// certify signs a user certificate that is good for an hour around now.
func certify(t testing.TB, ca ed25519.PrivateKey, subject ed25519.PublicKey, change func(*ssh.Certificate)) string {
	t.Helper()
	key, err := ssh.NewPublicKey(subject)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(ca)
	must(t, err)
	c := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, ValidPrincipals: []string{"dev"},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(c)
	}
	must(t, c.SignCert(rand.Reader, signer))
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c)))
}

func tokenOf(t testing.TB, key ed25519.PrivateKey, at time.Time) string {
	t.Helper()
	token, err := auth.NewToken(key, at)
	must(t, err)
	return token
}

// credentialCase is one credential, and what becomes of it.
type credentialCase struct {
	name  string
	key   ed25519.PrivateKey
	cert  string
	token string
	// What is wanted: an id, or the reason of a refusal and whose it says it is.
	id      string
	reason  string
	claimed string
}

// cast is everybody who knocks.
func cast(t *testing.T) (auth.Credentials, []credentialCase) {
	user, expired, elsewhere, revoked, unknown := newKey(t), newKey(t), newKey(t), newKey(t), newKey(t)
	ca, foreign, certified := newKey(t), newKey(t), newKey(t)
	apiKey, kept := auth.NewAPIKey()
	oldAPIKey, oldKept := auth.NewAPIKey()
	strangeAPIKey, strange := auth.NewAPIKey()
	kept.Scopes, oldKept.Expires = []string{"test"}, time.Now().Add(-time.Minute)
	there := netip.MustParsePrefix("192.0.2.0/24")
	accepted := auth.Credentials{
		Grants: []auth.Grant{
			{Key: public(user), Scopes: []string{"test"}},
			{Key: public(expired), Expires: time.Now().Add(-time.Minute)},
			{Key: public(elsewhere), From: []netip.Prefix{there}},
			{Key: public(revoked)},
			{Key: public(ca), CertAuthority: true, Principals: []string{"dev"}, Scopes: []string{"test"}},
		},
		APIKeys: []auth.APIKey{kept, oldKept}, Revoked: []ed25519.PublicKey{public(revoked)},
	}
	print := func(key ed25519.PrivateKey) string { return principal.Fingerprint(public(key)) }
	now := time.Now()
	cases := []credentialCase{
		{name: "key", key: user, id: print(user)},
		{name: "key/unknown", key: unknown, reason: "unknown-key", claimed: print(unknown)},
		{name: "key/expired", key: expired, reason: "key-expired", claimed: print(expired)},
		{name: "key/elsewhere", key: elsewhere, reason: "source-address", claimed: print(elsewhere)},
		{name: "key/revoked", key: revoked, reason: "revoked-key", claimed: print(revoked)},
		{name: "token", token: tokenOf(t, user, now), id: print(user)},
		{name: "token/old", token: tokenOf(t, user, now.Add(-10*time.Minute)), reason: "token-expired", claimed: print(user)},
		{name: "token/future", token: tokenOf(t, user, now.Add(10*time.Minute)), reason: "token-of-the-future", claimed: print(user)},
		{name: "token/truncated", token: tokenOf(t, user, now)[:138], reason: "malformed-token"},
		{name: "token/of an unknown key", token: tokenOf(t, unknown, now), reason: "unknown-key"},
		{name: "token/of an expired key", token: tokenOf(t, expired, now), reason: "key-expired", claimed: print(expired)},
		{name: "token/from elsewhere", token: tokenOf(t, elsewhere, now), reason: "source-address", claimed: print(elsewhere)},
		{name: "token/of a revoked key", token: tokenOf(t, revoked, now), reason: "revoked-key", claimed: print(revoked)},
		{name: "token/forged", token: forge(tokenOf(t, user, now)), reason: "bad-signature", claimed: print(user)},
		{name: "API key", token: apiKey, id: apiKey[:12]},
		{name: "API key/expired", token: oldAPIKey, reason: "api-key-expired", claimed: oldAPIKey[:12]},
		{name: "API key/unknown", token: strangeAPIKey, reason: "unknown-api-key", claimed: strange.Prefix},
		{name: "API key/truncated", token: apiKey[:46], reason: "malformed-api-key"},
		{name: "certificate", key: certified, cert: certify(t, ca, public(certified), nil), id: print(certified)},
	}
	for name, c := range map[string]struct {
		signer ed25519.PrivateKey
		change func(*ssh.Certificate)
		reason string
	}{
		"expired":         {ca, func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Add(-time.Minute).Unix()) }, "certificate-expired"},
		"future":          {ca, func(c *ssh.Certificate) { c.ValidAfter = uint64(now.Add(time.Minute).Unix()) }, "certificate-not-yet-valid"},
		"foreign CA":      {foreign, nil, "unknown-authority"},
		"wrong principal": {ca, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"ops"} }, "wrong-principal"},
		"elsewhere":       {ca, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": there.String()} }, "source-address"},
		"force-command":   {ca, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "ls"} }, "force-command"},
		"host":            {ca, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, "host-certificate"},
	} {
		cases = append(cases, credentialCase{name: "certificate/" + name, key: certified, cert: certify(t, c.signer, public(certified), c.change), reason: c.reason, claimed: print(certified)})
	}
	good := certify(t, ca, public(certified), nil)
	return accepted, append(cases,
		credentialCase{name: "certificate/truncated", key: certified, cert: good[:200], reason: "malformed-certificate"},
		credentialCase{name: "certificate/of another key", key: unknown, cert: good, reason: "certificate-of-another-key", claimed: print(certified)},
	)
}

// forge changes the first bits of a token's signature.
func forge(token string) string {
	at := 60 // within the signature, which begins after 40 bytes
	flipped := map[bool]string{true: "B", false: "A"}[token[at] == 'A']
	return token[:at] + flipped + token[at+1:]
}

// Every credential at every entrance: the same person is the same identity, a
// refusal tells its peer nothing, and the log tells the reason.
var ownKey = regexp.MustCompile("the node refused key SHA256:\\S+: authorize it there with `alknet authorize`")

func TestEveryCredentialAtEveryEntrance(t *testing.T) {
	accepted, cases := cast(t)
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			log := newLog()
			w := start(t, listen, func(c *HeadConfig) {
				c.Provider, c.Logger = auth.NewCredentialSet(accepted), log.logger()
			})
			secured, addr := name != "tcp" && name != "unix", "127.0.0.1"
			if name == "unix" {
				addr = "unix"
			}
			answers := map[string]string{}
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					client, err := w.connect(t, func(cfg *ClientConfig) {
						cfg.Key, cfg.Token, cfg.Certificate = nil, c.token, c.cert
						if c.key != nil {
							cfg.Key = c.key
						}
					})
					if c.reason == "" {
						must(t, err)
						if s, err := client.Session(); err != nil || s.Peer().Identity == nil || s.Peer().Identity.ID != c.id || !s.Peer().Identity.HasScope("test") {
							t.Errorf("taken for %+v, %v", s.Peer().Identity, err)
						}
						if text := log.take(); strings.Contains(text, "reject") {
							t.Errorf("logged %q", text)
						}
						return
					}
					wantCode(t, err, call.Unauthenticated)
					method, claimed, reason := methodToken, c.claimed, c.reason
					switch {
					case c.cert != "":
						method = methodCertificate
					case c.key != nil && secured:
						method = methodKey
					case c.key != nil && c.name == "key/unknown":
						claimed = "" // a token names its key by a hash that is not the fingerprint
					}
					log.wantReject(t, method, claimed, reason, addr, c.token)
					// On this side of the connection the error names our own key.
					answers[ownKey.ReplaceAllString(err.Error(), "the credential was refused")] = c.name
				})
			}
			if len(answers) != 1 {
				t.Errorf("strangers are told apart: %v", answers)
			}
		})
	}
}

func TestEveryTokenOfARequest(t *testing.T) {
	accepted, cases := cast(t)
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			log := newLog()
			w := start(t, listen, func(c *HeadConfig) {
				c.Provider, c.Logger, c.AllowAnonymous = auth.NewCredentialSet(accepted), log.logger(), true
				must(t, c.Registry.Handle(call.OperationSpec{Name: "/who/am"}, func(_ context.Context, req *call.Request) (any, error) { return req.Identity().ID, nil }))
			})
			client, err := w.connect(t, func(cfg *ClientConfig) { cfg.Key = nil })
			must(t, err)
			log.take()
			for _, c := range cases {
				if c.token == "" {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					got, err := client.Call(context.Background(), "/who/am", nil, call.WithAuthToken(c.token))
					if c.reason == "" {
						if err != nil || string(got) != fmt.Sprintf("%q", c.id) {
							t.Errorf("taken for %s, %v", got, err)
						}
						return
					}
					if err == nil || err.Error() != "UNAUTHENTICATED: the credential was refused" {
						t.Errorf("error %v", err)
					}
					addr := "127.0.0.1"
					if name == "unix" {
						addr = "unix"
					}
					log.wantReject(t, methodToken, c.claimed, c.reason, addr, c.token)
				})
			}
		})
	}
}

func TestReplayedToken(t *testing.T) {
	log := newLog()
	user := newKey(t)
	w := start(t, "tcp://127.0.0.1:0", func(c *HeadConfig) {
		c.Provider = auth.NewCredentialSet(auth.Credentials{Grants: []auth.Grant{{Key: public(user)}}, Replays: &auth.ReplayWindow{}})
		c.Logger = log.logger()
	})
	token := tokenOf(t, user, time.Now())
	client, err := w.connect(t, func(c *ClientConfig) { c.Key, c.Token = nil, token })
	must(t, err)
	_, err = w.connect(t, func(c *ClientConfig) { c.Key, c.Token = nil, token })
	wantCode(t, err, call.Unauthenticated)
	log.wantReject(t, methodToken, principal.Fingerprint(public(user)), "replayed-token", "127.0.0.1", token)
	_, err = client.Call(context.Background(), "/echo/echo", 1, call.WithAuthToken(token))
	wantCode(t, err, call.Unauthenticated)
	if _, err = client.Call(context.Background(), "/echo/echo", 1, call.WithAuthToken(tokenOf(t, user, time.Now().Add(-time.Minute)))); err != nil {
		t.Error(err)
	}
}

func TestNoCredential(t *testing.T) {
	for name, listen := range listens(t) {
		t.Run(name, func(t *testing.T) {
			log := newLog()
			w := start(t, listen, func(c *HeadConfig) { c.Logger = log.logger() })
			_, err := w.connect(t, func(c *ClientConfig) { c.Key = nil })
			wantCode(t, err, call.Unauthenticated)
			log.wantReject(t, methodNone, "", "no-credential", map[bool]string{true: "unix", false: "127.0.0.1"}[name == "unix"])
		})
	}
}

// A connection that was wrong about tokens too often has further ones refused, right or
// wrong, for a while. It goes on itself: other people's requests may be on it.
func TestFailuresPerConnection(t *testing.T) {
	w := start(t, "127.0.0.1:0", func(c *HeadConfig) { c.Admission = admission.Limits{FailuresPerConnection: 3} })
	client, err := w.connect(t, func(c *ClientConfig) { c.NoReconnect = true })
	must(t, err)
	for range 10 {
		_, err := client.Call(context.Background(), "/echo/echo", 1, call.WithAuthToken("wrong"))
		wantCode(t, err, call.Unauthenticated)
		_, err = client.Call(context.Background(), "/echo/echo", 1)
		must(t, err)
	}
}

func TestBlockedTokens(t *testing.T) {
	d := &door{}
	if d.blocked() {
		t.Error("blocked without a failure")
	}
	d.quiet.Store(time.Now().Add(time.Minute).UnixNano())
	if !d.blocked() {
		t.Error("not blocked within the minute")
	}
	if _, err := d.IdentityFromToken(context.Background(), "never looked at"); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a token while blocked: %v", err)
	}
	d.quiet.Store(time.Now().Add(-time.Second).UnixNano())
	if d.blocked() {
		t.Error("blocked after the minute")
	}
}
