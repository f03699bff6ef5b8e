package main

import (
	"errors"
	"fmt"

	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/node"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Tell everything that is wrong with a configuration file."`
	Show  configShowCmd  `cmd:"" help:"Print the configuration and where each value comes from, without secrets."`
}

type configCheckCmd struct {
	File string `arg:"" help:"The configuration file."`
	JSON bool   `help:"Print JSON."`
}

// errChecked is a failure that was told already.
var errChecked = errors.New("the configuration has mistakes")

// Run checks the file alone, without environment and flags: what is right here is
// right on the machine that it is meant for.
func (c *configCheckCmd) Run(a *app) error {
	loaded, err := config.Load(config.Sources{File: c.File})
	var warnings config.Errors
	if err == nil {
		warnings = loaded.Warnings()
		err = node.Check(loaded, "")
	}
	wrong, ok := config.AsErrors(err)
	if err != nil && !ok {
		return err
	}
	if c.JSON {
		if printed := a.printJSON(map[string]any{"ok": err == nil, "errors": orEmpty(wrong), "warnings": orEmpty(warnings)}); printed != nil || err == nil {
			return printed
		}
		return errChecked
	}
	for _, w := range warnings {
		fmt.Fprintln(a.stderr, "warning:", w)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s is right\n", c.File)
	return err
}

func orEmpty(all config.Errors) config.Errors {
	if all == nil {
		return config.Errors{}
	}
	return all
}

type configShowCmd struct {
	settings
	Effective bool `help:"Show the defaults too."`
}

func (c *configShowCmd) Run(a *app) error {
	from, err := c.sources(a)
	if err != nil {
		return err
	}
	loaded, err := config.Load(from)
	if err != nil {
		return configuration(err)
	}
	text := loaded.Dump(!c.Effective)
	if len(text) == 0 {
		_, err := fmt.Fprintln(a.stdout, "# nothing is set: --effective shows the defaults")
		return err
	}
	_, err = a.stdout.Write(text)
	return err
}
