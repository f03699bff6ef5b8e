package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/go/secret"
)

type secretCreateCmd struct {
	Words    int    `help:"How many words: 12, 15, 18, 21 or 24." default:"24"`
	Wordlist string `help:"The words' language: english, japanese, korean, spanish, chinese_simplified, chinese_traditional, french, italian or czech." default:"english" placeholder:"LIST"`
	Out      string `help:"Write the phrase to this new file, readable by its owner alone (default: show it on the terminal)." placeholder:"FILE"`
	OutFD    *int   `name:"out-fd" help:"Write the phrase to this file descriptor; 1 is stdout." placeholder:"N"`
	passphraseFlags
	RequireLockedMemory bool `help:"Fail where the system refuses to lock memory against swapping."`
	JSON                bool `help:"Print JSON: all but the phrase."`
}

// Run makes a phrase and shows it once: on a terminal, or where --out or --out-fd
// says. It does not write to a stdout that is a file or a pipe without being told,
// since that is how a phrase ends in a log.
func (c *secretCreateCmd) Run(a *app) error {
	out, err := newSecretOutput("out", c.Out, c.OutFD, 1)
	switch {
	case err != nil:
		return err
	case out == nil && !a.onTerminal():
		return usagef("stdout is not a terminal: say where the phrase goes, with --out FILE for a new file or --out-fd 1 for stdout")
	case c.JSON && (out == nil || out.fd == 1):
		return usagef("with --json the phrase needs a place of its own: --out FILE or --out-fd N above 1")
	}
	if err := c.check(); err != nil {
		return err
	}
	source, err := c.source("passphrase")
	if err != nil {
		return err
	}
	if err := checkDescriptors(false, source); err != nil {
		return err
	}
	if source != nil {
		source.twice = true // a mistake would make another store
	}
	unlock := unlockFlags{RequireLockedMemory: c.RequireLockedMemory}
	store := unlock.newStore(a, secret.Options{})
	defer store.Close()
	passphrase, err := source.read(a)
	if err != nil {
		return err
	}
	if out != nil {
		if err := out.open(); err != nil {
			clear(passphrase)
			return err
		}
	}
	phrase, err := store.Create(c.Words, secret.Wordlist(c.Wordlist), passphrase) // wipes the passphrase
	if err != nil {
		if out != nil {
			out.abandon()
		}
		return err
	}
	defer clear(phrase)
	identity, err := deriveParts(store, secret.IdentityPath(), secret.Ed25519)
	if err != nil {
		if out != nil {
			out.abandon()
		}
		return err
	}
	if out == nil {
		if err := writeWords(a, phrase); err != nil {
			return err
		}
	} else if err := writeLine(out.write, phrase); err != nil {
		return err
	}
	return c.tell(a, out, identity)
}

// check refuses what the store would, before a file is made or anything asked.
func (c *secretCreateCmd) check() error {
	if c.Words < 12 || c.Words > 24 || c.Words%3 != 0 {
		return usagef("a phrase has 12, 15, 18, 21 or 24 words, not %d", c.Words)
	}
	names := make([]string, 0, 9)
	for _, list := range secret.Wordlists() {
		if string(list) == c.Wordlist {
			return nil
		}
		names = append(names, string(list))
	}
	return usagef("--wordlist is one of %s", strings.Join(names, ", "))
}

// tell says where the phrase is and how to recognize it.
func (c *secretCreateCmd) tell(a *app, out *secretOutput, identity keyParts) error {
	if c.JSON {
		return a.printJSON(map[string]any{"words": c.Words, "wordlist": c.Wordlist, "file": c.Out, "identity": identity})
	}
	var b strings.Builder
	switch {
	case out == nil:
		b.WriteString("Write these words down, in this order: they are shown this once, and who has them has every key.\n")
	case out.path != "":
		fmt.Fprintf(&b, "The phrase is in %s, readable by you alone: who has it has every key.\n", out.path)
	}
	fmt.Fprintf(&b, "endpoint id  %s\nfingerprint  %s\n", identity.EndpointID, identity.Fingerprint)
	_, err := fmt.Fprint(a.stderr, b.String())
	return err
}

// writeWords writes the phrase to stdout, a numbered word a line, as the errors of a
// phrase name words by their number.
func writeWords(a *app, phrase []byte) error {
	text := make([]byte, 0, len(phrase)+24*len("24. \n"))
	defer func() { clear(text) }()
	n := 0
	for word := range bytes.FieldsSeq(phrase) {
		n++
		if n < 10 {
			text = append(text, ' ')
		}
		text = strconv.AppendInt(text, int64(n), 10)
		text = append(text, ". "...)
		text = append(text, word...)
		text = append(text, '\n')
	}
	return writeSecret(a.stdout, text)
}

// writeLine writes bytes and a line end in one go, and wipes its copy.
func writeLine(write func([]byte) error, data []byte) error {
	line := append(append(make([]byte, 0, len(data)+1), data...), '\n')
	defer clear(line)
	return write(line)
}
