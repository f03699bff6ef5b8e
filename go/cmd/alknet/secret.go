package main

import (
	"errors"
	"fmt"

	"github.com/alkdev/alknet/go/secret"
)

// secretCmd are the commands on the secret store. Each unlocks a store of its own,
// which is wiped when the command ends: nothing of it stays on disk.
type secretCmd struct {
	Create     secretCreateCmd   `cmd:"" help:"Make a new phrase."`
	Check      secretCheckCmd    `cmd:"" help:"Tell whether a phrase unlocks, and whose it is."`
	ShowPublic secretShowCmd     `cmd:"" help:"Show the public keys that a node has from a phrase."`
	Derive     secretDeriveCmd   `cmd:"" help:"Derive the key at a path and show its public parts."`
	Seal       secretSealCmd     `cmd:"" help:"Encrypt what comes on stdin."`
	Open       secretOpenCmd     `cmd:"" help:"Decrypt the EncryptedData that comes on stdin."`
	Rotate     secretRotateCmd   `cmd:"" help:"Seal the EncryptedData that comes on stdin with the key of another version."`
	Password   secretPasswordCmd `cmd:"" help:"Print the password for a site."`
	EthAddress secretEthereumCmd `cmd:"" help:"Print an Ethereum account's address."`
	SSHKey     secretSSHCmd      `cmd:"" name:"ssh-key" help:"Print an SSH public key, or write the key pair as ssh-keygen does."`
}

// unlockFlags say where the phrase and its passphrase come from. They are never
// arguments, which other users of the machine can read, nor variables, which
// programs that are started later inherit.
type unlockFlags struct {
	PhraseFD   *int   `name:"phrase-fd" help:"Read the phrase from this file descriptor (default: ask on the terminal)." placeholder:"N"`
	PhraseFile string `help:"Read the phrase from this file, which only its owner may read." placeholder:"FILE"`
	passphraseFlags
	RequireLockedMemory bool `help:"Fail where the system refuses to lock memory against swapping."`
}

// passphraseFlags say where a passphrase comes from; without them there is none.
type passphraseFlags struct {
	Passphrase     bool   `help:"Ask for the passphrase on the terminal."`
	PassphraseFD   *int   `name:"passphrase-fd" help:"Read the passphrase from this file descriptor." placeholder:"N"`
	PassphraseFile string `help:"Read the passphrase from this file, which only its owner may read." placeholder:"FILE"`
}

func (f *passphraseFlags) source(name string) (*secretSource, error) {
	return newSecretSource(name, "Passphrase: ", f.Passphrase, f.PassphraseFD, f.PassphraseFile)
}

// given reports whether a flag says where the phrase or the passphrase comes from.
func (f *unlockFlags) given() bool {
	return f.PhraseFD != nil || f.PhraseFile != "" || f.Passphrase || f.PassphraseFD != nil || f.PassphraseFile != "" || f.RequireLockedMemory
}

// newStore makes a locked store for one command.
func (f *unlockFlags) newStore(a *app, options secret.Options) *secret.Store {
	forbidInspection()
	options.RequireLockedMemory = f.RequireLockedMemory
	options.OnWarning = func(message string) { fmt.Fprintln(a.stderr, "alknet: warning:", message) }
	return secret.NewStore(options)
}

// unlock reads the phrase and the passphrase and returns an unlocked store, which
// the caller closes. dataOnStdin says that stdin is taken; others are secrets that are
// read afterwards.
func (f *unlockFlags) unlock(a *app, dataOnStdin bool, options secret.Options, others ...*secretSource) (*secret.Store, error) {
	phrase, passphrase, err := f.read(a, dataOnStdin, others...)
	if err != nil {
		return nil, err
	}
	store := f.newStore(a, options)
	if err := store.Unlock(phrase, passphrase); err != nil { // wipes both
		store.Close()
		return nil, err
	}
	return store, nil
}

// read returns the phrase and the passphrase, which may be nil. The caller wipes
// both.
func (f *unlockFlags) read(a *app, dataOnStdin bool, others ...*secretSource) (phrase, passphrase []byte, err error) {
	forbidInspection()
	ask := f.PhraseFD == nil && f.PhraseFile == ""
	first, err := newSecretSource("phrase", "Phrase: ", ask, f.PhraseFD, f.PhraseFile)
	if err != nil {
		return nil, nil, err
	}
	second, err := f.source("passphrase")
	if err != nil {
		return nil, nil, err
	}
	if err := checkDescriptors(dataOnStdin, append([]*secretSource{first, second}, others...)...); err != nil {
		return nil, nil, err
	}
	if phrase, err = first.read(a); err != nil {
		return nil, nil, err
	}
	if passphrase, err = second.read(a); err != nil {
		clear(phrase)
		return nil, nil, err
	}
	return phrase, passphrase, nil
}

// onTerminal reports whether the command's stdout is a terminal.
func (a *app) onTerminal() bool {
	_, ok := a.stdout.(escaping)
	return ok
}

// misused makes what is wrong with an argument an error of usage.
func misused(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

var errInterrupted = errors.New("interrupted")
