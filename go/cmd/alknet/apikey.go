package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/node"
)

type apikeyCmd struct {
	Create apikeyCreateCmd `cmd:"" help:"Make an API key and print it, this once."`
	List   apikeyListCmd   `cmd:"" help:"List the API keys: their prefixes, scopes and dates."`
	Revoke apikeyRevokeCmd `cmd:"" help:"Take an API key back."`
}

// apiKeyFile is the file that the commands keep. It is not the configuration: a
// program does not write a file that people edit.
type apiKeyFile struct {
	File string `help:"The file of API keys (default: api_keys in the state folder)." placeholder:"FILE"`
}

func (f *apiKeyFile) read() ([]config.APIKey, error) {
	path := f.File
	data, err := atomicfile.Read(path, auth.MaxKeysFile, atomicfile.Deciding)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the API keys: %w", err)
	}
	return config.ParseAPIKeys(path, data)
}

// change reads the keys, has them changed and writes them, alone.
func (f *apiKeyFile) change(a *app, change func([]config.APIKey) ([]config.APIKey, error)) error {
	path, err := a.makeFile(f.File, node.APIKeysFile)
	if err != nil {
		return err
	}
	f.File = path
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return fmt.Errorf("lock the API keys: %w", err)
	}
	defer unlock()
	keys, err := f.read()
	if err != nil {
		return err
	}
	if keys, err = change(keys); err != nil {
		return err
	}
	return atomicfile.Replace(path, config.FormatAPIKeys(keys))
}

type apikeyCreateCmd struct {
	apiKeyFile
	Scopes      []string `help:"What the key may do, such as fs:read." placeholder:"SCOPE"`
	Resources   []string `help:"Resources that the key may name, as in project=p1." placeholder:"TYPE=ID"`
	Description string   `help:"What the key is for."`
	Expires     string   `help:"When it ends: 90d, 12h, 2030-12-31 or 2030-12-31T12:00:00Z (default: never)." placeholder:"WHEN"`
	JSON        bool     `help:"Print JSON."`
}

func (c *apikeyCreateCmd) Run(a *app) error {
	now := time.Now().UTC().Truncate(time.Second)
	text, kept := auth.NewAPIKey()
	key := config.APIKey{
		Prefix: kept.Prefix, SHA256: hex.EncodeToString(kept.Hash[:]), Description: c.Description, Scopes: c.Scopes, Created: now,
	}
	var err error
	if key.Expires, err = parseEnd(c.Expires, now); err != nil {
		return usagef("--expires %s: %v", c.Expires, err)
	}
	for _, pair := range c.Resources {
		kind, id, ok := strings.Cut(pair, "=")
		if !ok || kind == "" || id == "" {
			return usagef("--resources %s: want TYPE=ID, such as project=p1", pair)
		}
		if key.Resources == nil {
			key.Resources = map[string][]string{}
		}
		key.Resources[kind] = append(key.Resources[kind], id)
	}
	if _, err := config.ParseAPIKeys("the new key", config.FormatAPIKeys([]config.APIKey{key})); err != nil {
		return usageError{err}
	}
	err = c.change(a, func(keys []config.APIKey) ([]config.APIKey, error) {
		if slices.ContainsFunc(keys, func(k config.APIKey) bool { return k.Prefix == key.Prefix }) {
			return nil, fmt.Errorf("there is a key with the prefix %s already: try again", key.Prefix)
		}
		return append(keys, key), nil
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(map[string]any{"key": text, "prefix": key.Prefix, "scopes": append([]string{}, key.Scopes...), "description": key.Description, "created": key.Created, "expires": optional(key.Expires), "file": c.File})
	}
	fmt.Fprintf(a.stderr, "%s was added to %s; a node that runs reads it again on SIGHUP. The key is shown this once:\n", key.Prefix, c.File)
	_, err = fmt.Fprintln(a.stdout, text)
	return err
}

// optional is a time as JSON has it; null is none.
func optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// parseEnd reads when something ends: days, a duration, a date or a time.
func parseEnd(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	end, err := time.Parse(time.RFC3339, text)
	if err != nil {
		end, err = time.ParseInLocation(time.DateOnly, text, time.Local)
	}
	if err != nil {
		if days, isDays := strings.CutSuffix(text, "d"); isDays {
			var n int
			if n, err = strconv.Atoi(days); err == nil {
				end = now.AddDate(0, 0, n)
			}
		} else {
			var d time.Duration
			if d, err = time.ParseDuration(text); err == nil {
				end = now.Add(d)
			}
		}
	}
	switch {
	case err != nil:
		return end, errors.New("want 90d, 12h, 2030-12-31 or 2030-12-31T12:00:00Z")
	case !end.After(now):
		return end, errors.New("that is not in the future")
	}
	return end, nil
}

type apikeyListCmd struct {
	apiKeyFile
	JSON bool `help:"Print JSON."`
}

func (c *apikeyListCmd) Run(a *app) error {
	var err error
	if c.File, err = a.named(c.File, node.APIKeysFile); err != nil {
		return err
	}
	keys, err := c.read()
	if err != nil {
		return err
	}
	if c.JSON {
		list := []map[string]any{}
		for _, k := range keys {
			list = append(list, map[string]any{"prefix": k.Prefix, "description": k.Description, "scopes": append([]string{}, k.Scopes...), "resources": k.Resources, "created": optional(k.Created), "expires": optional(k.Expires)})
		}
		return a.printJSON(list)
	}
	if len(keys) == 0 {
		_, err := fmt.Fprintf(a.stdout, "there are no API keys in %s\n", c.File)
		return err
	}
	rows := [][]string{{"PREFIX", "SCOPES", "CREATED", "EXPIRES", "DESCRIPTION"}}
	for _, k := range keys {
		rows = append(rows, []string{k.Prefix, strings.Join(k.Scopes, ","), day(k.Created, "unknown"), expiry(k.Expires), k.Description})
	}
	return printTable(a.stdout, rows)
}

func day(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.Format(time.DateOnly)
}

func expiry(t time.Time) string {
	if !t.IsZero() && !t.After(time.Now()) {
		return "expired"
	}
	return day(t, "never")
}

type apikeyRevokeCmd struct {
	apiKeyFile
	Prefix string `arg:"" help:"The key's first 12 characters, as the list shows them."`
}

func (c *apikeyRevokeCmd) Run(a *app) error {
	if len(c.Prefix) > 12 {
		return usagef("want the key's first 12 characters alone, %s", c.Prefix[:12])
	}
	err := c.change(a, func(keys []config.APIKey) ([]config.APIKey, error) {
		left := slices.DeleteFunc(slices.Clone(keys), func(k config.APIKey) bool { return k.Prefix == c.Prefix })
		if len(left) == len(keys) {
			return nil, fmt.Errorf("there is no API key %s in %s: `alknet apikey list` shows those that there are", c.Prefix, c.File)
		}
		return left, nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s was taken out of %s; a node that runs ends its sessions on SIGHUP\n", c.Prefix, c.File)
	return err
}
