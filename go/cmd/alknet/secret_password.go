package main

import (
	"strings"

	"github.com/alkdev/alknet/go/secret"
)

type secretPasswordCmd struct {
	Site    string `arg:"" help:"The site's name, as in example.com; upper and lower case are the same."`
	Length  int    `help:"How many characters, from 4 to 128." default:"20"`
	Classes string `help:"Kinds of characters, of which at least one of each: lower, upper, digits, symbols." default:"lower,upper,digits,symbols" placeholder:"LIST"`
	unlockFlags
}

func (c *secretPasswordCmd) Run(a *app) error {
	classes, err := parseClasses(c.Classes)
	if err != nil {
		return err
	}
	if c.Length < 4 || c.Length > 128 {
		return usagef("--length is from 4 to 128")
	}
	if _, err := secret.PasswordPath(c.Site); err != nil {
		return misused(err)
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: true})
	if err != nil {
		return err
	}
	defer store.Close()
	password, err := store.Password(c.Site, secret.PasswordPolicy{Length: c.Length, Classes: classes})
	if err != nil {
		return err
	}
	defer clear(password)
	return writeLine(func(line []byte) error { return writeSecret(a.stdout, line) }, password)
}

func parseClasses(list string) (classes secret.CharClass, err error) {
	for name := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(name) {
		case "lower":
			classes |= secret.Lower
		case "upper":
			classes |= secret.Upper
		case "digits":
			classes |= secret.Digits
		case "symbols":
			classes |= secret.Symbols
		default:
			return 0, usagef("--classes is a list of lower, upper, digits and symbols, separated by commas")
		}
	}
	return classes, nil
}
