package main

import (
	"crypto"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/service"
	"github.com/alkdev/alknet/go/secret"
)

// serveSecrets are the flags of a node that has its keys from a phrase.
type serveSecrets struct {
	IdentityFromSecret bool     `help:"Take the node's key from a phrase instead of a file. The store stays unlocked until the node ends."`
	OfferSecrets       []string `help:"Operations of the store to offer to callers with the scope secrets:NAME: publicKey, sign, encrypt, decrypt, derive." placeholder:"NAME"`
	OfferSecretDerive  bool     `help:"The second switch of derive, which gives out private keys."`
	SecretPaths        []string `help:"Paths below which callers may use keys (default: m/74'/3')." placeholder:"PATH"`
	SecretService      string   `help:"Take what --offer-secrets offers from another process, as alknet service prints its address, instead of a phrase." placeholder:"ADDRESS"`
	unlockFlags
}

// nodeSecrets is the store of a running node; nil when it has none.
type nodeSecrets struct {
	config   config.Secrets
	store    *secret.Store // one of the two
	remote   *service.Client
	identity crypto.Signer
	sshHost  keyParts
	paths    []secret.Path
}

// secretSources adds the flags to where the configuration comes from.
func (c *serveCmd) secretSources(from *config.Sources) {
	f := &c.serveSecrets
	add := func(key, value, flag string) {
		if value != "" {
			from.Flags = append(from.Flags, config.Setting{Key: "secrets." + key, Value: value, Source: flag})
		}
	}
	on := map[bool]string{true: "true"}
	add("identity", on[f.IdentityFromSecret], "--identity-from-secret")
	add("phrase_file", f.PhraseFile, "--phrase-file")
	add("passphrase_file", f.PassphraseFile, "--passphrase-file")
	add("require_locked_memory", on[f.RequireLockedMemory], "--require-locked-memory")
	add("service", f.SecretService, "--secret-service")
	add("offer", strings.Join(f.OfferSecrets, ","), "--offer-secrets")
	add("offer_derive", on[f.OfferSecretDerive], "--offer-secret-derive")
	add("paths", strings.Join(f.SecretPaths, ","), "--secret-paths")
	add("credentials", c.Credentials, "--credentials")
}

// open unlocks the store, or returns nil when none is asked for. cfg has passed
// node.Check.
func (f *serveSecrets) open(a *app, cfg *config.Config, logger *slog.Logger, record *audit.Log) (*nodeSecrets, error) {
	n := &nodeSecrets{config: cfg.Secrets, paths: []secret.Path{node.CallerKeys()}}
	if len(n.config.Paths) > 0 {
		n.paths = nil
	}
	for _, text := range n.config.Paths {
		path, err := secret.ParsePath(text)
		if err != nil {
			return nil, err
		}
		n.paths = append(n.paths, path)
	}
	unlock := f.unlockFlags
	unlock.PhraseFile, unlock.PassphraseFile, unlock.RequireLockedMemory = n.config.PhraseFile, n.config.PassphraseFile, n.config.RequireLockedMemory
	if !n.config.Identity {
		switch {
		case unlock.given():
			return nil, usagef("a phrase, and the flags that offer its keys, go with --identity-from-secret")
		case n.config.Service == "":
			return nil, nil
		}
		return n, n.connect(a, cfg.Node.Key, logger)
	}
	var err error
	n.store, err = unlock.unlock(a, false, secret.Options{
		NotExportable: !n.config.OfferDerive,
		OnEvent: func(e secret.Event) {
			logSecretEvent(logger, e)
			record.Record(audit.Event{Time: e.Time, Event: "secret", Action: string(e.Action), Path: e.Path.String(), Type: string(e.Type), Code: string(e.Code)})
		},
	})
	if err != nil {
		return nil, err
	}
	if n.identity, err = n.store.Signer(secret.IdentityPath()); err == nil {
		n.sshHost, err = deriveParts(n.store, secret.SSHHostKeyPath(), secret.Ed25519)
	}
	if err != nil {
		n.store.Close()
		return nil, err
	}
	if n.config.OfferDerive {
		logger.Warn("private keys can be had over the network: callers with the scope secrets:derive get those below " + strings.Join(pathNames(n.paths), ", "))
	}
	return n, nil
}

// connect reaches the process that has the secrets.
func (n *nodeSecrets) connect(a *app, keyFile string, logger *slog.Logger) error {
	if !isService(n.config.Service) {
		return usagef("--secret-service %s: want the address that alknet service prints", n.config.Service)
	}
	key, err := a.nodeKey(keyFile)
	if err != nil {
		return err
	}
	n.remote, err = connectService(a.ctx, n.config.Service, key, logger)
	return err
}

// serveKey returns the node's key: that of the store, if there is one, or of a file.
func (a *app) serveKey(keyFile string, secrets *nodeSecrets) (crypto.Signer, error) {
	if secrets != nil && secrets.identity != nil {
		return secrets.identity, nil
	}
	return a.nodeKey(keyFile)
}

// register offers what the flags name.
func (n *nodeSecrets) register(registry *call.Registry, logger *slog.Logger) error {
	if n == nil {
		return nil
	}
	offers := func(name string) bool { return slices.Contains(n.config.Offer, name) }
	cfg := node.SecretsConfig{
		Store: n.store, PublicKey: offers("publicKey"), Sign: offers("sign"), Encrypt: offers("encrypt"), Decrypt: offers("decrypt"),
		Derive: offers("derive"), GiveOutPrivateKeys: n.config.OfferDerive, Paths: n.paths, Logger: logger,
	}
	if n.remote != nil {
		cfg.Service = n.remote.Secrets()
	}
	return node.AddSecrets(registry, cfg)
}

// close wipes the store.
func (n *nodeSecrets) close() {
	switch {
	case n == nil:
	case n.remote != nil:
		n.remote.Close()
	default:
		n.store.Close()
	}
}

// greeting is what the node says of its store at the start.
func (n *nodeSecrets) greeting() map[string]any {
	if n == nil {
		return nil
	}
	if n.remote != nil {
		return map[string]any{"secretService": n.config.Service, "offeredSecrets": append([]string{}, n.config.Offer...)}
	}
	return map[string]any{
		"sshHostKey": n.sshHost.SSHPublicKey, "sshHostKeyFingerprint": n.sshHost.Fingerprint,
		"memory": n.store.Status().Memory, "offeredSecrets": append([]string{}, n.config.Offer...),
	}
}

func (n *nodeSecrets) greetingText() string {
	if n == nil {
		return ""
	}
	if n.remote != nil {
		return fmt.Sprintf("  secrets      %s of %s\n", strings.Join(n.config.Offer, ", "), n.config.Service)
	}
	text := fmt.Sprintf("  identity     from the phrase, %s\n  ssh host key %s, %s\n", secret.IdentityPath(), n.sshHost.Fingerprint, n.sshHost.Path)
	if len(n.config.Offer) > 0 {
		text += fmt.Sprintf("  secrets      %s offered\n", strings.Join(n.config.Offer, ", "))
	}
	return text
}

func pathNames(paths []secret.Path) []string {
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = path.String()
	}
	return names
}

// logSecretEvent logs what happens in the store, without the derivations that went
// well: a caller's are logged with the caller.
func logSecretEvent(logger *slog.Logger, e secret.Event) {
	attrs := []any{"action", e.Action}
	if e.Type != "" {
		attrs = append(attrs, "path", e.Path.String(), "type", e.Type)
	}
	switch {
	case e.Code != "":
		logger.Warn("secret store", append(attrs, "code", e.Code)...)
	case e.Action == secret.ActionDerive:
		logger.Debug("secret store", attrs...)
	default:
		logger.Info("secret store", attrs...)
	}
}
