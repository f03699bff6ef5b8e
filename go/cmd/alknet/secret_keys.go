package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/secret"
)

// keyParts is what may be told of a derived key to anyone.
type keyParts struct {
	Path            secret.Path    `json:"path"`
	Type            secret.KeyType `json:"type"`
	PublicKey       []byte         `json:"publicKey,omitempty"` // base64 in JSON, hexadecimal in text
	EndpointID      string         `json:"endpointId,omitempty"`
	Fingerprint     string         `json:"fingerprint,omitempty"`
	SSHPublicKey    string         `json:"sshPublicKey,omitempty"`
	EthereumAddress string         `json:"ethereumAddress,omitempty"`
}

func partsOf(h *secret.Handle) (parts keyParts, err error) {
	parts = keyParts{Path: h.Path(), Type: h.Type(), PublicKey: h.PublicKey()}
	switch h.Type() {
	case secret.Ed25519:
		key := ed25519.PublicKey(parts.PublicKey)
		parts.EndpointID, parts.Fingerprint = principal.EndpointID(key), principal.Fingerprint(key)
		parts.SSHPublicKey, err = h.SSHPublicKey("")
	case secret.Secp256k1:
		parts.EthereumAddress, err = h.EthereumAddress()
	}
	return parts, err
}

func deriveParts(store *secret.Store, path secret.Path, kind secret.KeyType) (keyParts, error) {
	h, err := store.Derive(path, kind)
	if err != nil {
		return keyParts{}, err
	}
	return partsOf(h)
}

// print writes the parts as text, a line each.
func (p *keyParts) print(w io.Writer) error {
	var rows [][]string
	for _, row := range [][]string{
		{"path", p.Path.String()}, {"type", string(p.Type)}, {"public key", hex.EncodeToString(p.PublicKey)}, {"endpoint id", p.EndpointID},
		{"fingerprint", p.Fingerprint}, {"ssh", p.SSHPublicKey}, {"address", p.EthereumAddress},
	} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	return printTable(w, rows)
}

type secretShowCmd struct {
	unlockFlags
	JSON bool `help:"Print JSON."`
}

// Run shows the keys that a node has from the phrase: its identity, its SSH host key
// and its first Ethereum account.
func (c *secretShowCmd) Run(a *app) error {
	store, err := c.unlock(a, false, secret.Options{NotExportable: true})
	if err != nil {
		return err
	}
	defer store.Close()
	identity, err := deriveParts(store, secret.IdentityPath(), secret.Ed25519)
	if err != nil {
		return err
	}
	host, err := deriveParts(store, secret.SSHHostKeyPath(), secret.Ed25519)
	if err != nil {
		return err
	}
	account, err := deriveParts(store, secret.EthereumPath(0), secret.Secp256k1)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]keyParts{"identity": identity, "sshHostKey": host, "ethereum": account})
	}
	for i, section := range []struct {
		title string
		parts keyParts
	}{{"identity", identity}, {"ssh host key", host}, {"ethereum account 0", account}} {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintf(a.stdout, "# %s\n", section.title)
		if err := section.parts.print(a.stdout); err != nil {
			return err
		}
	}
	return nil
}

type secretCheckCmd struct {
	unlockFlags
	Expect string `help:"Fail unless this is the identity's fingerprint or endpoint id." placeholder:"ID"`
	JSON   bool   `help:"Print JSON."`
}

// Run tells whether the phrase unlocks a store. A wrong passphrase does as well, but
// another one: only its identity shows that.
func (c *secretCheckCmd) Run(a *app) error {
	phrase, passphrase, err := c.read(a, false)
	if err != nil {
		return err
	}
	defer clear(phrase)
	defer clear(passphrase)
	list, err := secret.ValidateMnemonic(phrase)
	if err != nil {
		return err
	}
	store := c.newStore(a, secret.Options{NotExportable: true})
	defer store.Close()
	if err := store.Unlock(phrase, passphrase); err != nil {
		return err
	}
	identity, err := deriveParts(store, secret.IdentityPath(), secret.Ed25519)
	if err != nil {
		return err
	}
	if c.Expect != "" && c.Expect != identity.Fingerprint && c.Expect != identity.EndpointID {
		return fmt.Errorf("the phrase is well formed, but unlocks %s: it is another phrase, or the passphrase is wrong", identity.Fingerprint)
	}
	if c.JSON {
		return a.printJSON(map[string]any{"wordlist": list, "memory": store.Status().Memory, "identity": identity})
	}
	_, err = fmt.Fprintf(a.stdout, "the phrase unlocks (%s wordlist)\nendpoint id  %s\nfingerprint  %s\n", list, identity.EndpointID, identity.Fingerprint)
	return err
}

type secretDeriveCmd struct {
	Path        string `arg:"" help:"The derivation path, as in m/74'/0'/0'/1'; h and H stand for ', too."`
	Type        string `help:"ed25519, secp256k1 or aes-256-gcm." default:"ed25519"`
	PrivateFD   *int   `name:"private-fd" help:"Write the private key, in hexadecimal, to this file descriptor (3 or above)." placeholder:"N"`
	PrivateFile string `help:"Write the private key, in hexadecimal, to this new file, readable by its owner alone." placeholder:"FILE"`
	unlockFlags
	JSON bool `help:"Print JSON: the public parts."`
}

func (c *secretDeriveCmd) Run(a *app) error {
	path, err := secret.ParsePath(c.Path)
	if err != nil {
		return misused(err)
	}
	kind := secret.KeyType(c.Type)
	if kind != secret.Ed25519 && kind != secret.Secp256k1 && kind != secret.AES256GCM {
		return usagef("--type is ed25519, secp256k1 or aes-256-gcm")
	}
	out, err := newSecretOutput("private", c.PrivateFile, c.PrivateFD, 3)
	if err != nil {
		return err
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: out == nil})
	if err != nil {
		return err
	}
	defer store.Close()
	h, err := store.Derive(path, kind)
	if secret.CodeOf(err) == secret.InvalidPath && kind == secret.Ed25519 {
		return usagef("%w, or say --type secp256k1", err)
	}
	if err != nil {
		return err
	}
	parts, err := partsOf(h)
	if err != nil {
		return err
	}
	if out != nil {
		if err := writePrivate(h, out); err != nil {
			return err
		}
	}
	if c.JSON {
		return a.printJSON(parts)
	}
	return parts.print(a.stdout)
}

// writePrivate writes the private key as a line of hexadecimal.
func writePrivate(h *secret.Handle, out *secretOutput) error {
	if err := out.open(); err != nil {
		return err
	}
	private, err := h.ExportPrivateKey()
	if err != nil {
		out.abandon()
		return err
	}
	defer clear(private)
	text := hex.AppendEncode(make([]byte, 0, 2*len(private)), private)
	defer clear(text)
	return writeLine(out.write, text)
}

type secretEthereumCmd struct {
	Account string `arg:"" optional:"" help:"The account's number." default:"0"`
	unlockFlags
	JSON bool `help:"Print JSON."`
}

func (c *secretEthereumCmd) Run(a *app) error {
	number, err := strconv.ParseUint(c.Account, 10, 31)
	if err != nil {
		return usagef("an account is a number below 2147483648")
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: true})
	if err != nil {
		return err
	}
	defer store.Close()
	account, err := deriveParts(store, secret.EthereumPath(uint32(number)), secret.Secp256k1)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(account)
	}
	_, err = fmt.Fprintln(a.stdout, account.EthereumAddress)
	return err
}
