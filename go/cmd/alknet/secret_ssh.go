package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alkdev/alknet/go/secret"
)

type secretSSHCmd struct {
	Path              string `arg:"" optional:"" help:"The key's path (default: the identity, m/74'/0'/0'/0')."`
	Host              bool   `help:"The node's SSH host key, m/74'/0'/1'/0'."`
	Comment           string `help:"Comment of the key." default:"alknet"`
	File              string `help:"Write the private key to this new file, readable by its owner alone, and the public key to FILE.pub." placeholder:"FILE"`
	KeyPassphrase     bool   `help:"Ask for a passphrase that protects the file."`
	KeyPassphraseFD   *int   `name:"key-passphrase-fd" help:"Read the passphrase that protects the file from this descriptor." placeholder:"N"`
	KeyPassphraseFile string `help:"Read the passphrase that protects the file from this file." placeholder:"FILE"`
	unlockFlags
	JSON bool `help:"Print JSON."`
}

func (c *secretSSHCmd) Run(a *app) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	protection, err := newSecretSource("key-passphrase", "Passphrase of the new key file: ", c.KeyPassphrase, c.KeyPassphraseFD, c.KeyPassphraseFile)
	if err != nil {
		return err
	}
	if protection != nil {
		if c.File == "" {
			return usagef("a key passphrase protects a file: name it with --file")
		}
		protection.twice = true
		if err := checkDescriptors(false, protection); err != nil {
			return err
		}
	}
	if samePlace(protection, c.PhraseFD) || samePlace(protection, c.PassphraseFD) {
		return usagef("--key-passphrase-fd %d is in use for something else", protection.fd)
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: c.File == ""})
	if err != nil {
		return err
	}
	defer store.Close()
	h, err := store.Derive(path, secret.Ed25519)
	if secret.CodeOf(err) == secret.InvalidPath {
		return misused(err)
	}
	if err != nil {
		return err
	}
	line, err := h.SSHPublicKey(c.Comment)
	if err != nil {
		return misused(err)
	}
	if c.File != "" {
		if err := c.write(a, h, line, protection); err != nil {
			return err
		}
	}
	if c.JSON {
		parts, err := partsOf(h)
		if err != nil {
			return err
		}
		parts.SSHPublicKey = line
		return a.printJSON(struct {
			keyParts
			File string `json:"file,omitempty"`
		}{parts, c.File})
	}
	_, err = fmt.Fprintln(a.stdout, line)
	return err
}

func samePlace(s *secretSource, fd *int) bool {
	return s != nil && s.fd >= 0 && fd != nil && *fd == s.fd
}

func (c *secretSSHCmd) path() (secret.Path, error) {
	switch {
	case c.Host && c.Path != "":
		return secret.Path{}, usagef("choose one of a path and --host")
	case c.Host:
		return secret.SSHHostKeyPath(), nil
	case c.Path == "":
		return secret.IdentityPath(), nil
	}
	path, err := secret.ParsePath(c.Path)
	return path, misused(err)
}

// write writes the key pair: both files or none.
func (c *secretSSHCmd) write(a *app, h *secret.Handle, line string, protection *secretSource) (err error) {
	passphrase, err := protection.read(a)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	private, err := createFile(c.File, 0o600)
	if err != nil {
		return err
	}
	public, err := createFile(c.File+".pub", 0o644)
	if err != nil {
		private.Close()
		return errors.Join(err, os.Remove(c.File))
	}
	data, err := h.ExportSSHPrivateKey(c.Comment, passphrase) // wipes the passphrase
	defer clear(data)
	if err == nil {
		err = finishFile(private, data)
	}
	if err == nil {
		err = finishFile(public, []byte(line+"\n"))
	}
	if err != nil {
		private.Close()
		public.Close()
		_ = os.Remove(c.File)
		_ = os.Remove(c.File + ".pub")
	}
	return err
}
