package node

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/transport"
	"github.com/alkdev/alknet/go/secret"
)

// The files of the state folder that say who may connect, unless the configuration
// names others.
const (
	AuthorizedKeysFile = "authorized_keys"
	APIKeysFile        = "api_keys"
)

// maxListFile bounds a file of keys, in bytes: room for about 100,000.
const maxListFile = 16 << 20

// LoadCredentials reads everything that the configuration accepts, the files that it
// names included; home is the state folder, "" for none. What is wrong comes back as
// config.Errors.
func LoadCredentials(cfg *config.Config, home string) (auth.Credentials, error) {
	l := credentialLoader{cfg: cfg, home: home}
	a := cfg.Auth
	l.DefaultScopes = a.DefaultScopes
	l.authorizedKeys()
	l.apiKeyFile()
	l.revokedKeys()
	for i, k := range a.Keys {
		l.key(fmt.Sprintf("auth.keys[%d]", i), k)
	}
	l.apiKeys("auth.api_keys", a.APIKeys)
	if len(l.bad) > 0 {
		return auth.Credentials{}, l.bad
	}
	return l.Credentials, nil
}

type credentialLoader struct {
	auth.Credentials
	cfg  *config.Config
	home string
	bad  config.Errors
}

// file reads a file that a key names, or the default one if it is there; nil without
// an error means that there is none.
func (l *credentialLoader) file(key, named, fallback string) (path string, data []byte) {
	path = named
	if path == "" {
		if l.home == "" || fallback == "" {
			return "", nil
		}
		path = filepath.Join(l.home, fallback)
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxListFile {
		err = fmt.Errorf("it has %d bytes, and at most %d are read", info.Size(), maxListFile)
	}
	if err == nil {
		data, err = os.ReadFile(path)
	}
	switch {
	case err == nil:
		return path, data
	case named == "" && errors.Is(err, fs.ErrNotExist):
		return "", nil
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	l.bad = append(l.bad, l.cfg.Errorf(key, "%s cannot be read: %w", path, err))
	return "", nil
}

// fail reports what is wrong inside a file that a key names.
func (l *credentialLoader) fail(key, path string, err error) {
	if inside, ok := config.AsErrors(err); ok {
		l.bad = append(l.bad, inside...)
		return
	}
	e := &config.Error{Origin: config.Origin{File: path}, Key: key, Message: err.Error()}
	var line *auth.LineError
	if errors.As(err, &line) {
		e.Line, e.Column, e.Message = line.Line, 1, line.Err.Error()
	}
	l.bad = append(l.bad, e)
}

func (l *credentialLoader) authorizedKeys() {
	const key = "auth.authorized_keys"
	path, data := l.file(key, l.cfg.Auth.AuthorizedKeys, AuthorizedKeysFile)
	grants, err := auth.ParseAuthorizedKeys(path, data)
	if err != nil {
		l.fail(key, path, err)
	}
	l.Grants = append(l.Grants, grants...)
}

func (l *credentialLoader) revokedKeys() {
	const key = "auth.revoked_keys"
	path, data := l.file(key, l.cfg.Auth.RevokedKeys, "")
	revoked, authorities, err := auth.ParseRevokedKeys(path, data)
	if err != nil {
		l.fail(key, path, err)
	}
	l.Revoked, l.RevokedAuthorities = revoked, authorities
}

func (l *credentialLoader) apiKeyFile() {
	const key = "auth.api_key_file"
	path, data := l.file(key, l.cfg.Auth.APIKeyFile, APIKeysFile)
	if path == "" {
		return
	}
	keys, err := config.ParseAPIKeys(path, data)
	if err != nil {
		l.fail(key, path, err)
	}
	l.apiKeys(key, keys)
}

func (l *credentialLoader) apiKeys(key string, keys []config.APIKey) {
	for i, k := range keys {
		for _, known := range l.APIKeys {
			if known.Prefix == k.Prefix {
				l.bad = append(l.bad, l.cfg.Errorf(fmt.Sprintf("%s[%d].prefix", key, i), "there is an API key %s in auth.api_key_file already", k.Prefix))
			}
		}
		kept := auth.APIKey{Prefix: k.Prefix, Scopes: k.Scopes, Resources: k.Resources, Expires: k.Expires}
		if sum, err := hex.DecodeString(k.SHA256); err == nil && len(sum) == len(kept.Hash) {
			kept.Hash = [len(kept.Hash)]byte(sum)
		} else {
			l.bad = append(l.bad, l.cfg.Errorf(fmt.Sprintf("%s[%d].sha256", key, i), "want 64 hexadecimal digits"))
		}
		l.APIKeys = append(l.APIKeys, kept)
	}
}

func (l *credentialLoader) key(key string, k config.Key) {
	grant := auth.Grant{Scopes: k.Scopes, Resources: k.Resources, Expires: k.Expires, CertAuthority: k.CertAuthority, Principals: k.Principals}
	if err := grant.SetKey(k.PublicKey); err != nil {
		l.bad = append(l.bad, l.cfg.Errorf(key+".public_key", "%w", err))
		return
	}
	if len(k.From) > 0 {
		if err := grant.RestrictFrom(k.From); err != nil {
			l.bad = append(l.bad, l.cfg.Errorf(key+".from", "%w", err))
		}
	}
	l.Grants = append(l.Grants, grant)
}

// NewPolicy makes what a head decides by from a configuration, and more authorized
// keys. replays is shared by the policies of one head; it is used when the
// configuration asks for it.
func NewPolicy(cfg *config.Config, home string, replays *auth.ReplayWindow, more ...auth.Grant) (Policy, auth.Credentials, error) {
	credentials, err := LoadCredentials(cfg, home)
	if err != nil {
		return Policy{}, credentials, err
	}
	credentials.Grants = append(credentials.Grants, more...)
	if cfg.Auth.ReplayWindow {
		credentials.Replays = replays
	}
	access := []call.AccessRule{}
	for _, rule := range cfg.Access {
		access = append(access, call.AccessRule{Path: rule.Path, Scopes: rule.Scopes})
	}
	l := cfg.Limits
	return Policy{
		Access:   access,
		Provider: auth.NewCredentialSet(credentials), AllowAnonymous: cfg.Auth.AllowAnonymous, Drain: max(cfg.Node.Drain.Std(), 1),
		Admission: Admission{
			Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress, SessionsPerIdentity: l.SessionsPerIdentity,
			FailuresPerConnection: l.FailuresPerConnection, FailuresPerAddress: l.FailuresPerAddress,
		},
		Limits: call.Limits{
			MaxFrame: l.MaxFrame, MaxInFlight: l.MaxInFlight, MaxQueued: l.MaxQueued,
			OpenTimeout: l.OpenTimeout.Std(), PingInterval: l.PingInterval.Std(), DeadAfter: l.DeadAfter.Std(),
		},
	}, credentials, nil
}

// loadCertificate reads the certificate of [tls], nil without one.
func loadCertificate(cfg *config.Config) (*tls.Certificate, error) {
	if cfg.TLS.Certificate == "" {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(cfg.TLS.Certificate, cfg.TLS.Key)
	if err != nil {
		return nil, config.Errors{cfg.Errorf("tls.certificate", "%w", err)}
	}
	return &certificate, nil
}

// Check reports everything that would keep a node from starting with the
// configuration, as config.Errors; but for its private key and what its listeners
// need of the system.
func Check(cfg *config.Config, home string) error {
	var bad config.Errors
	for i, listener := range cfg.Listeners {
		if err := transport.CheckListen(listener.Address); err != nil {
			bad = append(bad, cfg.Errorf(fmt.Sprintf("listeners[%d].address", i), "%w", err))
		}
	}
	for i, rule := range cfg.Access {
		if err := call.CheckPattern(rule.Path); err != nil {
			bad = append(bad, cfg.Errorf(fmt.Sprintf("access[%d].path", i), "%w", err))
		}
	}
	for i, path := range cfg.Secrets.Paths {
		if _, err := secret.ParsePath(path); err != nil {
			bad = append(bad, cfg.Errorf(fmt.Sprintf("secrets.paths[%d]", i), "%w", err))
		}
	}
	if _, err := loadCertificate(cfg); err != nil {
		all, _ := config.AsErrors(err)
		bad = append(bad, all...)
	}
	if _, err := LoadCredentials(cfg, home); err != nil {
		all, _ := config.AsErrors(err)
		bad = append(bad, all...)
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}
