package node

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
	"github.com/alkdev/alknet/go/secret"
)

// The files of the state folder that say who may connect, unless the configuration
// names others.
const (
	AuthorizedKeysFile = "authorized_keys"
	APIKeysFile        = "api_keys"
)

// LoadCredentials reads everything that the configuration accepts, the files that it
// names included; home is the state folder, "" for none. What is wrong comes back as
// config.Errors, with what is right beside it.
func LoadCredentials(cfg *config.Config, home string) (auth.Credentials, error) {
	return loadCredentials(cfg, home, nil)
}

// keyFiles are the contents of files as they were last read, by path.
type keyFiles map[string][]byte

// loadCredentials is LoadCredentials. Where a file cannot be trusted or read it takes
// what known has of it, beside the error; known gets what was read.
func loadCredentials(cfg *config.Config, home string, known keyFiles) (auth.Credentials, error) {
	l := credentialLoader{cfg: cfg, home: home, known: known}
	a := cfg.Auth
	l.DefaultScopes = a.DefaultScopes
	l.authorizedKeys()
	l.apiKeyFile()
	l.revokedKeys()
	for i, k := range a.Keys {
		l.key(fmt.Sprintf("auth.keys[%d]", i), k)
	}
	l.apiKeys("auth.api_keys", a.APIKeys)
	l.grantedTwice()
	if len(l.bad) > 0 {
		return l.Credentials, l.bad
	}
	return l.Credentials, nil
}

type credentialLoader struct {
	auth.Credentials
	cfg  *config.Config
	home string
	bad  config.Errors

	known  keyFiles
	inline int // how many grants are of [[auth.keys]]
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
	data, err := atomicfile.Read(path, auth.MaxKeysFile, atomicfile.Deciding)
	if err == nil {
		if l.known != nil {
			l.known[path] = data
		}
		return path, data
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if missing {
		delete(l.known, path)
		if named == "" {
			return "", nil
		}
	}
	var refused *atomicfile.Error
	var pathErr *fs.PathError
	switch {
	case errors.As(err, &refused):
		l.bad = append(l.bad, l.cfg.Errorf(key, "%w", err))
	case errors.As(err, &pathErr):
		l.bad = append(l.bad, l.cfg.Errorf(key, "%s cannot be read: %w", path, pathErr.Err))
	default:
		l.bad = append(l.bad, l.cfg.Errorf(key, "%s cannot be read: %w", path, err))
	}
	return path, l.known[path]
}

// fail reports what is wrong inside a file that a key names.
func (l *credentialLoader) fail(key, path string, err error) {
	if inside, ok := config.AsErrors(err); ok {
		l.bad = append(l.bad, inside...)
		return
	}
	var lines auth.LineErrors
	if !errors.As(err, &lines) {
		l.bad = append(l.bad, &config.Error{Origin: config.Origin{File: path}, Key: key, Message: err.Error()})
	}
	for _, line := range lines {
		l.bad = append(l.bad, &config.Error{Origin: config.Origin{File: path, Line: line.Line, Column: min(line.Line, 1)}, Key: key, Message: line.Err.Error()})
	}
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
			return // it would be accepted from everywhere
		}
	}
	l.inline++
	l.Grants = append(l.Grants, grant)
}

// grantedTwice refuses a key of [[auth.keys]] that has another grant: which of them holds
// would depend on their order.
func (l *credentialLoader) grantedTwice() {
	seen := map[[32]byte]bool{}
	for i, grant := range l.Grants {
		if grant.CertAuthority {
			continue
		}
		id := auth.KeyID(grant.Key)
		if seen[id] && i >= len(l.Grants)-l.inline {
			l.bad = append(l.bad, l.cfg.Errorf("auth.keys", "%s is granted twice: a key has one entry, here or in auth.authorized_keys", principal.Fingerprint(grant.Key)))
		}
		seen[id] = true
	}
}

// newPolicy makes what a head decides by from a configuration, and more authorized
// keys. files gets the contents of the files; replays is shared by the policies of one head; it is used when the
// configuration asks for it.
func newPolicy(cfg *config.Config, home string, files keyFiles, replays *auth.ReplayWindow, more []auth.Grant) (Policy, auth.Credentials, error) {
	credentials, err := loadCredentials(cfg, home, files)
	if err != nil {
		return Policy{}, credentials, err
	}
	credentials.Grants = append(credentials.Grants, more...)
	if cfg.Auth.ReplayWindow {
		credentials.Replays = replays
	}
	l := cfg.Limits
	waiting := l.MaxWaiting
	if waiting == 0 {
		waiting = -1 // here 0 is none, not the default
	}
	return Policy{
		Access:   accessRules(cfg),
		Provider: auth.NewCredentialSet(credentials), AllowAnonymous: cfg.Auth.AllowAnonymous, Drain: max(cfg.Node.Drain.Std(), 1),
		Admission: admission.Limits{
			Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress, SessionsPerIdentity: l.SessionsPerIdentity,
			FailuresPerConnection: l.FailuresPerConnection, FailuresPerAddress: l.FailuresPerAddress,
		},
		Limits: call.Limits{
			MaxFrame: l.MaxFrame, MaxInFlight: l.MaxInFlight, MaxQueued: l.MaxQueued, MaxWaiting: waiting,
			OpenTimeout: l.OpenTimeout.Std(), PingInterval: l.PingInterval.Std(), DeadAfter: l.DeadAfter.Std(),
		},
	}, credentials, nil
}

// accessRules gives the rules of [[access]] that can be read.
func accessRules(cfg *config.Config) []call.AccessRule {
	rules := []call.AccessRule{}
	for _, rule := range cfg.Access {
		if call.CheckPattern(rule.Path) == nil && len(rule.Scopes) > 0 && !slices.Contains(rule.Scopes, "") {
			rules = append(rules, call.AccessRule{Path: rule.Path, Scopes: rule.Scopes})
		}
	}
	return rules
}

// maxCertificateFile bounds the files of [tls], in bytes.
const maxCertificateFile = 1 << 20

// loadCertificate reads the certificate of [tls], nil without one.
func loadCertificate(cfg *config.Config) (*tls.Certificate, error) {
	if cfg.TLS.Certificate == "" {
		return nil, nil
	}
	chain, err := atomicfile.Read(cfg.TLS.Certificate, maxCertificateFile, atomicfile.Public)
	if err != nil {
		return nil, config.Errors{cfg.Errorf("tls.certificate", "%w", err)}
	}
	key, err := atomicfile.Read(cfg.TLS.Key, maxCertificateFile, atomicfile.Secret)
	defer clear(key)
	if err != nil {
		return nil, config.Errors{cfg.Errorf("tls.key", "%w", err)}
	}
	certificate, err := tls.X509KeyPair(chain, key)
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
	if home != "" {
		if err := atomicfile.CheckFolder(home); err != nil {
			bad = append(bad, cfg.Errorf("", "the state folder: %w", err))
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
