package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/secret"
)

// credentialsFolder is in the state folder.
const credentialsFolder = "credentials"

// credentialCmd are the commands on the credentials of a node.
type credentialCmd struct {
	Add    credentialAddCmd    `cmd:"" help:"Seal a credential and keep it under the name of its service."`
	List   credentialListCmd   `cmd:"" help:"List the credentials: their services, and with the phrase all that is no secret."`
	Remove credentialRemoveCmd `cmd:"" help:"Remove the credential of a service."`
}

// credentialDirectory says which folder a command is about.
type credentialDirectory struct {
	Directory string `help:"Folder of the credentials (default: credentials in the state folder)." placeholder:"FOLDER"`
}

func (d *credentialDirectory) open(a *app, sealer credential.Sealer) (*credential.Directory, error) {
	path, err := a.named(d.Directory, credentialsFolder)
	if err != nil {
		return nil, err
	}
	return credential.NewDirectory(credential.Config{Path: path, Sealer: sealer}), nil
}

type credentialListCmd struct {
	credentialDirectory
	Unlock bool `help:"Ask for the phrase, and show types, dates and all parts that are no secrets. A flag that says where the phrase is does the same."`
	JSON   bool `help:"Print JSON."`
	unlockFlags
}

func (c *credentialListCmd) Run(a *app) error {
	var sealer credential.Sealer
	if c.Unlock || c.given() {
		store, err := c.unlock(a, false, secret.Options{NotExportable: true})
		if err != nil {
			return err
		}
		defer store.Close()
		sealer = credential.StoreSealer(store)
	}
	d, err := c.open(a, sealer)
	if err != nil {
		return err
	}
	entries, err := d.List(a.ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		err = c.printJSON(a, entries)
	} else {
		err = c.print(a, d, entries, sealer != nil)
	}
	if err != nil {
		return err
	}
	return c.problems(a, entries)
}

// problems tells what is wrong, all of it, and fails with the last one.
func (c *credentialListCmd) problems(a *app, entries []credential.Entry) error {
	var last error
	for _, e := range entries {
		if e.Err == nil {
			continue
		}
		if last != nil {
			fmt.Fprintln(a.stderr, "alknet:", last)
		}
		last = e.Err
	}
	return last
}

func (c *credentialListCmd) printJSON(a *app, entries []credential.Entry) error {
	list := []map[string]any{}
	for _, e := range entries {
		shown := map[string]any{"service": e.Service, "changed": optional(e.Changed.UTC().Truncate(time.Second)), "keyVersion": e.KeyVersion}
		if e.Changed.IsZero() {
			shown["changed"] = nil
		}
		if e.Info != nil {
			shown["type"], shown["added"], shown["fields"], shown["secrets"] = e.Info.Type, e.Info.Added, e.Info.Fields, e.Info.Secrets
		}
		if e.Err != nil {
			shown["code"] = credential.CodeOf(e.Err)
		}
		list = append(list, shown)
	}
	return a.printJSON(list)
}

func (c *credentialListCmd) print(a *app, d *credential.Directory, entries []credential.Entry, unlocked bool) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintf(a.stdout, "there are no credentials in %s\n", d.Path())
		return err
	}
	rows := [][]string{{"SERVICE", "CHANGED"}}
	if unlocked {
		rows = [][]string{{"SERVICE", "TYPE", "ADDED", "SECRETS", "PARTS"}}
	}
	for _, e := range entries {
		switch {
		case !unlocked:
			rows = append(rows, []string{e.Service, day(e.Changed, "unknown")})
		case e.Info == nil:
			rows = append(rows, []string{e.Service, "unknown", "-", "-", string(credential.CodeOf(e.Err))})
		default:
			rows = append(rows, []string{e.Service, string(e.Info.Type), day(e.Info.Added, "unknown"), strings.Join(e.Info.Secrets, ", "), textsOf(e.Info.Fields)})
		}
	}
	if err := printTable(a.stdout, rows); err != nil {
		return err
	}
	if !unlocked {
		fmt.Fprintln(a.stderr, "Types and parts are sealed: `alknet credential list --unlock` asks for the phrase and shows those that are no secrets.")
	}
	return nil
}

func textsOf(fields map[string]string) string {
	if len(fields) == 0 {
		return "-"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, name+"="+fields[name])
	}
	return strings.Join(parts, " ")
}

type credentialRemoveCmd struct {
	Service string `arg:"" help:"The service, as the list shows it."`
	Yes     bool   `help:"Remove it without asking."`
	credentialDirectory
}

func (c *credentialRemoveCmd) Run(a *app) error {
	if err := credential.CheckService(c.Service); err != nil {
		return misused(err)
	}
	d, err := c.open(a, nil)
	if err != nil {
		return err
	}
	if !c.Yes {
		entries, err := d.List(a.ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(entries, func(e credential.Entry) bool { return e.Service == c.Service }) {
			if err := a.confirm("Remove the credential of " + c.Service + "? It cannot be had back."); err != nil {
				return err
			}
		}
	}
	if err := d.Remove(a.ctx, c.Service); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "the credential of %s was removed; handlers do not get it any more\n", c.Service)
	return err
}

// confirm asks a question on the terminal; anything but yes is an error.
func (a *app) confirm(question string) error {
	t, err := openTerminal()
	if err != nil || !term.IsTerminal(int(t.in.Fd())) {
		return usagef("there is no terminal to ask on: say --yes")
	}
	defer t.close()
	fmt.Fprint(t.out, question, " [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(t.in, 1024)).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case text := <-answer:
		if text == "y" || text == "yes" {
			return nil
		}
		return errors.New("nothing was done")
	case <-a.ctx.Done(): // the program ends, and the read with it
		return errInterrupted
	}
}

// handlerCredentials gives the credentials of a folder to handlers.
func (a *app) handlerCredentials(folder string, sealer credential.Sealer, tell func(credential.Event)) (*credential.Directory, error) {
	path, err := a.named(folder, credentialsFolder)
	if err != nil {
		return nil, err
	}
	return credential.NewDirectory(credential.Config{Path: path, Sealer: sealer, OnEvent: tell}), nil
}

// warnOfCredentials tells at the start which credentials cannot be used, rather than
// when a handler needs one.
func warnOfCredentials(a *app, d *credential.Directory, logger *slog.Logger) {
	entries, err := d.List(a.ctx)
	if err != nil {
		logger.Warn("the credentials cannot be read", "error", err)
	}
	for _, e := range entries {
		if e.Err != nil {
			logger.Warn("a credential cannot be used", "service", e.Service, "error", e.Err)
		}
	}
}

// sealer is the node's store, for what it keeps sealed; nil when it has none.
func (n *nodeSecrets) sealer() credential.Sealer {
	switch {
	case n == nil:
		return nil
	case n.remote != nil:
		return node.ServiceSealer(n.remote.Secrets())
	}
	return credential.StoreSealer(n.store)
}
