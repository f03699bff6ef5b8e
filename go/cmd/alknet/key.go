package main

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/principal"
)

type keyCmd struct {
	Generate generateCmd `cmd:"" help:"Make a key."`
	Show     showCmd     `cmd:"" help:"Show a key's public parts."`
}

type generateCmd struct {
	File       string `arg:"" optional:"" help:"Where to (default: client_key in the state folder)."`
	Comment    string `help:"Comment of the public key." default:"alknet"`
	Passphrase bool   `help:"Ask for a passphrase that protects the key."`
	JSON       bool   `help:"Print JSON."`
}

func (c *generateCmd) Run(a *app) error {
	if err := auth.CheckComment(c.Comment); err != nil {
		return usagef("--comment: %v", err)
	}
	var err error
	if c.File, err = a.makeFile(c.File, userKeyFile); err != nil {
		return err
	}
	var passphrase []byte
	if c.Passphrase {
		first, err := a.readPassphrase("New passphrase: ")
		if err != nil {
			return errors.New("a passphrase is asked for on a terminal, and there is none")
		}
		second, err := a.readPassphrase("Once more: ")
		if err != nil {
			return err
		}
		defer clear(first)
		defer clear(second)
		if len(first) == 0 || !bytes.Equal(first, second) {
			return errors.New("the passphrases differ, or are empty: nothing was written")
		}
		passphrase = first
	}
	key, err := auth.GenerateKey()
	if err != nil {
		return err
	}
	defer clear(key)
	err = auth.WritePrivateKey(c.File, key, c.Comment, passphrase)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists and stays as it is: name another file, or move it away", c.File)
	}
	if err != nil {
		return err
	}
	return printKey(a, key.Public().(ed25519.PublicKey), c.Comment, c.File, c.JSON)
}

type showCmd struct {
	File string `arg:"" optional:"" help:"A private key file or a public key file (default: client_key in the state folder)."`
	JSON bool   `help:"Print JSON."`
}

func (c *showCmd) Run(a *app) error {
	path, err := a.named(c.File, userKeyFile)
	if err != nil {
		return err
	}
	if filepath.Ext(path) == ".pub" {
		data, err := atomicfile.Read(path, maxSmall, atomicfile.Public)
		if err != nil {
			return err
		}
		key, comment, err := auth.ParsePublicKey(string(data))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return printKey(a, key, comment, path, c.JSON)
	}
	key, comment, err := a.commentedUserKey(c.File)
	if err != nil {
		return err
	}
	defer clear(key)
	return printKey(a, key.Public().(ed25519.PublicKey), cmp.Or(comment, "alknet"), path, c.JSON)
}

func printKey(a *app, key ed25519.PublicKey, comment, file string, asJSON bool) error {
	line := auth.MarshalPublicKey(key, comment)
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(map[string]string{
			"publicKey": line, "endpointId": principal.EndpointID(key), "fingerprint": principal.Fingerprint(key), "file": file,
		})
	}
	_, err := fmt.Fprintf(a.stdout, "public key   %s\nendpoint id  %s\nfingerprint  %s\nfile         %s\n", line, principal.EndpointID(key), principal.Fingerprint(key), file)
	return err
}

type authorizeCmd struct {
	PublicKey      string   `arg:"" help:"The line 'ssh-ed25519 AAAA… name', in quotes."`
	Scopes         []string `help:"Scopes that the key gets, such as fs:read (default: the node's default scopes)." placeholder:"SCOPE"`
	AuthorizedKeys string   `help:"The file (default: authorized_keys in the state folder)." placeholder:"FILE"`
}

func (c *authorizeCmd) Run(a *app) error {
	key, comment, err := auth.ParsePublicKey(c.PublicKey)
	if err != nil {
		return usageError{err}
	}
	path, err := a.makeFile(c.AuthorizedKeys, authorizedFile)
	if err != nil {
		return err
	}
	added, err := auth.AppendAuthorizedKey(path, auth.Grant{Key: key, Comment: comment, Scopes: c.Scopes})
	if err != nil {
		return err
	}
	what := "replaced in"
	if added {
		what = "added to"
	}
	_, err = fmt.Fprintf(a.stdout, "%s %s %s; a node that runs reads it again on SIGHUP\n", principal.Fingerprint(key), what, path)
	return err
}

type tokenCmd struct {
	Key string `help:"Your key file (default: client_key in the state folder)." placeholder:"FILE"`
}

func (c *tokenCmd) Run(a *app) error {
	key, err := a.userKey(c.Key)
	if err != nil {
		return err
	}
	defer clear(key)
	token, err := auth.NewToken(key, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, token)
	return err
}
