package config

import (
	"errors"
	"io/fs"
	"os"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// Sources are where a configuration comes from, the weakest first.
type Sources struct {
	// File is the configuration file; "" reads none.
	File string
	// Read reads File where it is no file of this machine; nil reads the file.
	Read func(name string) ([]byte, error)
	// Optional lets the file be missing.
	Optional bool
	// Options are the structure as JSON, with the names of the programmatic options:
	// {"limits":{"connectionsPerAddress":8}}. Of two, the last holds.
	Options [][]byte
	// Environ are variables "NAME=value", as os.Environ gives them.
	Environ []string
	// Flags are the strongest; of two with one key the last holds.
	Flags []Setting
}

// Load puts a configuration together. Everything that is wrong comes back at once, as
// Errors. Where the file could be read as far as its form goes, a configuration of what
// is right in it comes back beside the error: nothing is to be started with it, but what
// it does not grant can be revoked.
func Load(s Sources) (*Config, error) {
	c, legible := Default(), true
	var bad Errors
	if s.File != "" {
		read := s.Read
		if read == nil {
			read = readFile
		}
		data, err := read(s.File)
		switch {
		case err == nil:
			if legible, err = c.parse(s.File, data); err != nil {
				all, _ := AsErrors(err)
				bad = append(bad, all...)
			}
		case s.Optional && errors.Is(err, fs.ErrNotExist):
		default:
			return nil, Errors{{Origin: Origin{File: s.File}, Message: "the configuration cannot be read: " + reasonOf(err)}}
		}
	}
	for _, options := range s.Options {
		if err := c.parseOptions(options); err != nil {
			all, _ := AsErrors(err)
			bad = append(bad, all...)
		}
	}
	settings, unknown := fromEnvironment(s.Environ)
	bad = append(bad, unknown...)
	for _, setting := range append(settings, s.Flags...) {
		if err := c.set(setting); err != nil {
			bad = append(bad, err)
		}
	}
	if len(bad) > 0 {
		if !legible {
			return nil, bad.sorted()
		}
		c.settle()
		return c, bad.sorted()
	}
	c.settle()
	if err := c.Validate(); err != nil {
		return c, err
	}
	if err := c.checkSecrets(s); err != nil {
		return c, err
	}
	return c, nil
}

// checkSecrets refuses a file that others can read and that has a secret in it.
func (c *Config) checkSecrets(s Sources) error {
	if s.Read != nil || len(c.Traces.Headers) == 0 || c.origins["traces.headers"].File == "" {
		return nil
	}
	file, err := atomicfile.Open(s.File, atomicfile.Secret)
	if err != nil {
		return Errors{c.Errorf("traces.headers", "headers may be secrets, and the file that has them %s", reasonOf(err))}
	}
	return file.Close()
}

// reasonOf gives why a file cannot be read, without its name.
func reasonOf(err error) string {
	var path *os.PathError
	var refused *atomicfile.Error
	switch {
	case errors.As(err, &refused):
		return refused.Path + " " + refused.Reason
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}
