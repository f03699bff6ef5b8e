package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/alkdev/alknet/go/secret"
)

// maxSealedInput bounds an EncryptedData on stdin, in bytes: the largest plaintext in
// base64, and room for the rest.
const maxSealedInput = (secret.MaxPlaintext/3+1)*4 + 64<<10

// versionFlag names a sealing key.
type versionFlag struct {
	Version *uint32 `help:"The sealing key's version (default 2)." placeholder:"N"`
}

func (f *versionFlag) version() (uint32, error) {
	if f.Version == nil {
		return secret.CurrentKeyVersion, nil
	}
	_, err := secret.SealingPath(*f.Version)
	return *f.Version, misused(err)
}

type secretSealCmd struct {
	versionFlag
	unlockFlags
}

func (c *secretSealCmd) Run(a *app) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	store, err := c.unlock(a, true, secret.Options{NotExportable: true})
	if err != nil {
		return err
	}
	defer store.Close()
	plaintext, err := a.readStdin(secret.MaxPlaintext)
	if err != nil {
		return err
	}
	defer clear(plaintext)
	sealed, err := store.Encrypt(plaintext, version)
	if err != nil {
		return err
	}
	return a.printJSON(sealed)
}

type secretOpenCmd struct {
	Out string `help:"Write the plaintext to this new file, readable by its owner alone (default: to stdout)." placeholder:"FILE"`
	unlockFlags
}

func (c *secretOpenCmd) Run(a *app) error {
	out, err := newSecretOutput("out", c.Out, nil, 0)
	if err != nil {
		return err
	}
	store, err := c.unlock(a, true, secret.Options{NotExportable: true})
	if err != nil {
		return err
	}
	defer store.Close()
	sealed, err := a.readSealed()
	if err != nil {
		return err
	}
	plaintext, err := store.Decrypt(sealed)
	if err != nil {
		return err
	}
	defer clear(plaintext)
	if out == nil {
		return writeSecret(a.stdout, plaintext)
	}
	if err := out.open(); err != nil {
		return err
	}
	return out.write(plaintext)
}

type secretRotateCmd struct {
	versionFlag
	unlockFlags
}

func (c *secretRotateCmd) Run(a *app) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	store, err := c.unlock(a, true, secret.Options{NotExportable: true})
	if err != nil {
		return err
	}
	defer store.Close()
	sealed, err := a.readSealed()
	if err != nil {
		return err
	}
	rotated, err := store.Rotate(sealed, version)
	if err != nil {
		return err
	}
	return a.printJSON(rotated)
}

// readStdin reads stdin to its end, at most limit bytes. The caller wipes it.
func (a *app) readStdin(limit int) ([]byte, error) {
	data, err := readWiped(a.ctx, os.Stdin, limit)
	switch {
	case errors.Is(err, errTooLong):
		return nil, fmt.Errorf("stdin has more than %d bytes, the most that is taken", limit)
	case err != nil && !errors.Is(err, errInterrupted):
		return nil, fmt.Errorf("read stdin: %w", causeOf(err))
	}
	return data, err
}

func (a *app) readSealed() (sealed secret.EncryptedData, err error) {
	text, err := a.readStdin(maxSealedInput)
	if err != nil {
		return sealed, err
	}
	if len(text) == 0 {
		return sealed, errors.New("stdin is empty: the EncryptedData that `alknet secret seal` printed is wanted")
	}
	if !json.Valid(text) {
		return sealed, errors.New("stdin is not JSON: the EncryptedData that `alknet secret seal` printed is wanted")
	}
	return secret.ParseEncryptedData(text)
}
