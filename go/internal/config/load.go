package config

import (
	"errors"
	"io/fs"
	"os"
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

// Load puts a configuration together. Everything that is wrong comes back at once,
// as Errors, or as the file system's error where the file cannot be read.
func Load(s Sources) (*Config, error) {
	c := Default()
	var bad Errors
	if s.File != "" {
		read := s.Read
		if read == nil {
			read = readFile
		}
		data, err := read(s.File)
		switch {
		case err == nil:
			if err := c.parse(s.File, data); err != nil {
				all, _ := AsErrors(err)
				bad = append(bad, all...)
			}
		case s.Optional && errors.Is(err, fs.ErrNotExist):
		default:
			var path *os.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			return nil, Errors{{Origin: Origin{File: s.File}, Message: "the configuration cannot be read: " + err.Error()}}
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
		return nil, bad.sorted()
	}
	c.settle()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}
