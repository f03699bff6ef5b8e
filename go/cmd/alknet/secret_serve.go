package main

import (
	"crypto"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/alkdev/alknet/go/audit"
	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/node"
	"github.com/alkdev/alknet/go/secret"
	"github.com/alkdev/alknet/go/service"
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
	flags    *serveSecrets
	store    *secret.Store // one of the two
	remote   *service.Client
	identity crypto.Signer
	sshHost  keyParts
	paths    []secret.Path
}

// open unlocks the store, or returns nil when none is asked for.
func (f *serveSecrets) open(a *app, keyFile string, logger *slog.Logger, record *audit.Log) (*nodeSecrets, error) {
	if f.SecretService != "" {
		return f.openService(a, keyFile, logger)
	}
	if !f.IdentityFromSecret {
		if f.given() ||
			len(f.OfferSecrets) > 0 || f.OfferSecretDerive || len(f.SecretPaths) > 0 {
			return nil, usagef("a phrase, and the flags that offer its keys, go with --identity-from-secret")
		}
		return nil, nil
	}
	if keyFile != "" {
		return nil, usagef("choose one of --key and --identity-from-secret")
	}
	n := &nodeSecrets{flags: f}
	if err := n.checkOffers(); err != nil {
		return nil, err
	}
	var err error
	n.store, err = f.unlock(a, false, secret.Options{
		NotExportable: !f.OfferSecretDerive,
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
	if f.OfferSecretDerive {
		logger.Warn("private keys can be had over the network: callers with the scope secrets:derive get those below " + strings.Join(pathNames(n.paths), ", "))
	}
	return n, nil
}

// openService connects to the process that has the secrets.
func (f *serveSecrets) openService(a *app, keyFile string, logger *slog.Logger) (*nodeSecrets, error) {
	n := &nodeSecrets{flags: f}
	switch err := n.checkOffers(); {
	case err != nil:
		return nil, err
	case f.IdentityFromSecret:
		return nil, usagef("choose one of --secret-service and --identity-from-secret")
	case slices.Contains(f.OfferSecrets, "derive"):
		return nil, misused(errServiceDerive)
	case !isService(f.SecretService):
		return nil, usagef("--secret-service %s: want the address that alknet service prints", f.SecretService)
	}
	key, err := a.nodeKey(keyFile)
	if err != nil {
		return nil, err
	}
	n.remote, err = connectService(a.ctx, f.SecretService, key, logger)
	return n, err
}

// checkOffers refuses what cannot be offered before anything is asked.
func (n *nodeSecrets) checkOffers() error {
	f := n.flags
	for _, name := range f.OfferSecrets {
		if !slices.Contains([]string{"publicKey", "sign", "encrypt", "decrypt", "derive"}, name) {
			return usagef("--offer-secrets is a list of publicKey, sign, encrypt, decrypt and derive")
		}
	}
	if slices.Contains(f.OfferSecrets, "derive") != f.OfferSecretDerive {
		return usagef("derive gives out private keys, so it takes two switches: derive in --offer-secrets, and --offer-secret-derive")
	}
	for _, text := range f.SecretPaths {
		path, err := secret.ParsePath(text)
		if err != nil {
			return misused(fmt.Errorf("--secret-paths: %w", err))
		}
		n.paths = append(n.paths, path)
	}
	if len(n.paths) == 0 {
		n.paths = []secret.Path{node.CallerKeys()}
	}
	return nil
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
	offers := func(name string) bool { return slices.Contains(n.flags.OfferSecrets, name) }
	cfg := node.SecretsConfig{
		Store: n.store, PublicKey: offers("publicKey"), Sign: offers("sign"), Encrypt: offers("encrypt"), Decrypt: offers("decrypt"),
		Derive: offers("derive"), GiveOutPrivateKeys: n.flags.OfferSecretDerive, Paths: n.paths, Logger: logger,
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
		return map[string]any{"secretService": n.flags.SecretService, "offeredSecrets": append([]string{}, n.flags.OfferSecrets...)}
	}
	return map[string]any{
		"sshHostKey": n.sshHost.SSHPublicKey, "sshHostKeyFingerprint": n.sshHost.Fingerprint,
		"memory": n.store.Status().Memory, "offeredSecrets": append([]string{}, n.flags.OfferSecrets...),
	}
}

func (n *nodeSecrets) greetingText() string {
	if n == nil {
		return ""
	}
	if n.remote != nil {
		return fmt.Sprintf("  secrets      %s of %s\n", strings.Join(n.flags.OfferSecrets, ", "), n.flags.SecretService)
	}
	text := fmt.Sprintf("  identity     from the phrase, %s\n  ssh host key %s, %s\n", secret.IdentityPath(), n.sshHost.Fingerprint, n.sshHost.Path)
	if len(n.flags.OfferSecrets) > 0 {
		text += fmt.Sprintf("  secrets      %s offered\n", strings.Join(n.flags.OfferSecrets, ", "))
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
