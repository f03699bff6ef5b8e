package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/term"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/node"
)

// The files of the state folder.
const (
	nodeKeyFile    = "node_key"              // of `alknet serve`
	userKeyFile    = "client_key"            // of the other commands
	authorizedFile = node.AuthorizedKeysFile // who may connect to `alknet serve`
)

// stateFolder returns where keys and state are: --home, or the platform's folder.
func stateFolder(home string) (string, error) {
	if home != "" {
		return filepath.Abs(home)
	}
	if runtime.GOOS == "linux" {
		if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
			return filepath.Join(dir, "alknet"), nil
		}
		if user, err := os.UserHomeDir(); err == nil {
			return filepath.Join(user, ".local", "state", "alknet"), nil
		}
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", errors.New("there is no home folder: name the state folder with --home or ALKNET_HOME")
	}
	return filepath.Join(dir, "alknet"), nil
}

// file returns the path of a file in the state folder. It is looked for only where
// something in it is needed: there may be no home folder.
func (a *app) file(name string) (string, error) {
	folder, err := stateFolder(a.home)
	return filepath.Join(folder, name), err
}

// named returns the path that a flag gives or, without one, that in the state folder.
func (a *app) named(flag, name string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return a.file(name)
}

// makeFile is named for a file that is written: it makes the state folder, for its owner
// alone.
func (a *app) makeFile(flag, name string) (string, error) {
	path, err := a.named(flag, name)
	if err != nil || flag != "" {
		return path, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the state folder: %w", err)
	}
	return path, nil
}

// loadKey reads a key file and asks for its passphrase when it has one.
func (a *app) loadKey(path string) (ed25519.PrivateKey, error) {
	key, _, err := a.loadCommentedKey(path)
	return key, err
}

// loadCommentedKey is loadKey, with the comment that the file has.
func (a *app) loadCommentedKey(path string) (ed25519.PrivateKey, string, error) {
	key, comment, err := auth.LoadCommentedKey(path, nil)
	if !errors.Is(err, auth.ErrPassphraseRequired) {
		return key, comment, err
	}
	passphrase, err := a.readPassphrase("Passphrase of " + path + ": ")
	if err != nil {
		return nil, "", err
	}
	defer clear(passphrase)
	return auth.LoadCommentedKey(path, passphrase)
}

// readPassphrase asks on the terminal, without echo.
func (a *app) readPassphrase(prompt string) ([]byte, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, auth.ErrPassphraseRequired
	}
	return (&terminal{in: os.Stdin, out: a.stderr}).ask(a.ctx, prompt)
}

// userKey reads the key that this user calls with.
func (a *app) userKey(path string) (ed25519.PrivateKey, error) {
	key, _, err := a.commentedUserKey(path)
	return key, err
}

// commentedUserKey is userKey, with the comment that the file has.
func (a *app) commentedUserKey(path string) (ed25519.PrivateKey, string, error) {
	if path != "" {
		return a.loadCommentedKey(path)
	}
	path, err := a.file(userKeyFile)
	if err != nil {
		return nil, "", err
	}
	key, comment, err := a.loadCommentedKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", errors.New("you have no key yet: make one with `alknet key generate`, then have it authorized on the node with `alknet authorize`")
	}
	return key, comment, err
}

// nodeKey reads the key of `alknet serve`, and makes it the first time.
func (a *app) nodeKey(path string) (ed25519.PrivateKey, error) {
	if path != "" {
		return a.loadKey(path)
	}
	path, err := a.makeFile("", nodeKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := a.loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = auth.GenerateKey(); err != nil {
		return nil, err
	}
	return key, auth.WritePrivateKey(path, key, "alknet node", nil)
}
