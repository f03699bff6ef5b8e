package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// maxFile bounds a configuration file, in bytes: room for thousands of keys.
const maxFile = 4 << 20

// Parse reads a configuration file over the defaults. What is wrong with it comes
// back as Errors; file is their name of it, and relative paths in it are relative to
// its folder.
func Parse(file string, data []byte) (*Config, error) {
	c := Default()
	if _, err := c.parse(file, data); err != nil {
		return nil, err
	}
	c.settle()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// parse reads a file over what c has. legible reports whether its form is right, whatever
// is wrong with what it says.
func (c *Config) parse(file string, data []byte) (legible bool, err error) {
	c.Listeners = nil // those of the file, if it has any, stand in their place
	origins, err := decode(file, data, structure(), c)
	if origins == nil {
		return false, err
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
	return true, err
}

// decode reads a TOML text into target, whose model is root, and returns where its
// keys stand.
func decode(file string, data []byte, root *field, target any) (map[string]Origin, error) {
	if len(data) > maxFile {
		return nil, Errors{{Origin: Origin{File: file}, Message: fmt.Sprintf("the file has %d bytes, and at most %d are read", len(data), maxFile)}}
	}
	data, err := atomicfile.WithoutMark(data)
	var text *atomicfile.TextError
	if errors.As(err, &text) {
		return nil, Errors{{Origin: Origin{File: file, Line: text.Line}, Message: "the file " + text.Reason}}
	}
	d := scan(file, data, root)
	err = toml.Unmarshal(data, target)
	var bad *toml.DecodeError
	switch {
	case len(d.errors) > 0 && err == nil:
		return d.origins, d.errors.sorted() // target has what is right, for a reload
	case len(d.errors) > 0:
		return nil, d.errors.sorted()
	case err == nil:
		return d.origins, nil
	case errors.As(err, &bad):
		row, column := bad.Position()
		return nil, Errors{{Origin: Origin{file, row, column, ""}, Key: d.keyAt(row), Message: strings.TrimPrefix(bad.Error(), "toml: ")}}
	}
	return nil, Errors{{Origin: Origin{File: file}, Message: strings.TrimPrefix(err.Error(), "toml: ")}}
}

// readFile reads a file that a person wrote, and that decides who may do what.
func readFile(path string) ([]byte, error) {
	return atomicfile.Read(path, maxFile, atomicfile.Deciding)
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
