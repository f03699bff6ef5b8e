package node

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/auth"
)

// A reload with a mistake takes away what the files do not grant any more, and grants
// nothing that they add.
func TestReloadWithAMistakeRevokes(t *testing.T) {
	gone, stays, added := newKey(t), newKey(t), newKey(t)
	line := func(options string, key ed25519.PrivateKey) string {
		return options + auth.MarshalPublicKey(key.Public().(ed25519.PublicKey), "") + "\n"
	}
	const settings = "[[listeners]]\naddress = \"tcp://127.0.0.1:0\"\n"
	for name, c := range map[string]struct {
		toml, keys string
		mode       os.FileMode
		revoked    bool // the key that was taken out
		want       string
	}{
		"a bad line":                     {settings, line("", stays) + "ssh-ed25519 AAAA typing-error\n" + line("", added), 0o600, true, "authorized_keys:2"},
		"a key twice":                    {settings, line("", stays) + line(`scopes="a" `, stays), 0o600, true, "authorized_keys:2"},
		"a mistake in the configuration": {settings + "[limits]\nconections = 5\n", line("", stays), 0o600, true, "conections"},
		"a configuration without form":   {settings + "[limits\n", line("", stays), 0o600, true, "alknet.toml"},
		"a file that others can write":   {settings, line("", stays), 0o622, false, "chmod go-w"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveFile(t, settings)
			s.write(t, "authorized_keys", line("", gone)+line("", stays))
			_, err := s.Reload()
			must(t, err)
			session, err := s.connect(t, func(cfg *ClientConfig) { cfg.Key = gone })
			must(t, err)
			s.write(t, "alknet.toml", c.toml)
			s.write(t, "authorized_keys", c.keys)
			must(t, os.Chmod(filepath.Join(s.dir, "authorized_keys"), c.mode))
			if _, err := s.Reload(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the reload: %v, want %q", err, c.want)
			}
			if c.revoked {
				<-session.Done()
			}
			for _, k := range []struct {
				key  ed25519.PrivateKey
				good bool
			}{{gone, !c.revoked}, {stays, true}, {added, false}} {
				client, err := s.connect(t, func(cfg *ClientConfig) { cfg.Key = k.key })
				if (err == nil) != k.good {
					t.Errorf("key %d: %v", len(line("", k.key)), err)
				}
				if err == nil {
					client.Close(t.Context())
				}
			}
		})
	}
}
