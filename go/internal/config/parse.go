package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds a configuration file, in bytes: room for thousands of keys.
const maxFile = 4 << 20

// Parse reads a configuration file over the defaults. What is wrong with it comes
// back as Errors; file is their name of it, and relative paths in it are relative to
// its folder.
func Parse(file string, data []byte) (*Config, error) {
	c := Default()
	if err := c.parse(file, data); err != nil {
		return nil, err
	}
	c.settle()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) parse(file string, data []byte) error {
	c.Listeners = nil // those of the file, if it has any, stand in their place
	origins, err := decode(file, data, structure(), c)
	if err != nil {
		return err
	}
	if c.Listeners == nil {
		c.Listeners = Default().Listeners
	}
	for key, origin := range origins {
		c.origins[key] = origin
	}
	resolvePaths(reflect.ValueOf(c).Elem(), structure(), "", func(key, path string) string {
		if origins[key].Line == 0 {
			return path
		}
		return filepath.Join(filepath.Dir(file), path)
	})
	return nil
}

// decode reads a TOML text into target, whose model is root, and returns where its
// keys stand.
func decode(file string, data []byte, root *field, target any) (map[string]Origin, error) {
	if len(data) > maxFile {
		return nil, Errors{{Origin: Origin{File: file}, Message: fmt.Sprintf("the file has %d bytes, and at most %d are read", len(data), maxFile)}}
	}
	d := scan(file, data, root)
	if len(d.errors) > 0 {
		return nil, d.errors.sorted()
	}
	err := toml.Unmarshal(data, target)
	var bad *toml.DecodeError
	switch {
	case err == nil:
		return d.origins, nil
	case errors.As(err, &bad):
		row, column := bad.Position()
		return nil, Errors{{Origin: Origin{file, row, column, ""}, Key: d.keyAt(row), Message: strings.TrimPrefix(bad.Error(), "toml: ")}}
	}
	return nil, Errors{{Origin: Origin{File: file}, Message: strings.TrimPrefix(err.Error(), "toml: ")}}
}

// readFile reads a file that a person wrote.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name the file in it", path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, and at most %d are read", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// resolvePaths has each relative path made absolute.
func resolvePaths(v reflect.Value, f *field, prefix string, resolve func(key, path string) string) {
	for _, c := range f.fields {
		key, value := join(prefix, c.name), v.Field(c.index)
		switch {
		case c.kind == kindTable:
			resolvePaths(value, c, key, resolve)
		case c.path && value.String() != "" && !filepath.IsAbs(value.String()):
			value.SetString(resolve(key, value.String()))
		}
	}
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
