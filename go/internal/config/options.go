package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// optionsSource is what errors name in place of a file.
const optionsSource = "options"

// parseOptions reads the structure as JSON, with the names that the programmatic
// options have: {"limits":{"connectionsPerAddress":8}}. What it does not name stays as
// it is.
func (c *Config) parseOptions(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return Errors{{Origin: Origin{Source: optionsSource}, Message: "they are not JSON: " + err.Error()}}
	}
	o := options{origins: map[string]Origin{}}
	o.value(value, structure(), "", "")
	if len(o.errors) > 0 {
		return o.errors
	}
	// What is there of lists is replaced, not added to.
	for key := range o.origins {
		switch key {
		case "listeners":
			c.Listeners = nil
		case "access":
			c.Access = nil
		case "auth.keys":
			c.Auth.Keys = nil
		case "auth.api_keys":
			c.Auth.APIKeys = nil
		case "forwarding.rules":
			c.Forwarding.Rules = nil
		}
	}
	if err := json.Unmarshal(data, c); err != nil {
		e := &Error{Origin: Origin{Source: optionsSource}, Message: err.Error()}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			e.Key, e.Message = wrong.Field, fmt.Sprintf("%s does not fit here", wrong.Value)
		}
		return Errors{e}
	}
	maps.Copy(c.origins, o.origins)
	return nil
}

// options walks JSON beside the structure, as document walks TOML.
type options struct {
	origins map[string]Origin
	errors  Errors
}

func (o *options) fail(path, format string, args ...any) *Error {
	err := &Error{Origin: Origin{Source: optionsSource}, Key: path, Message: fmt.Sprintf(format, args...)}
	o.errors = append(o.errors, err)
	return err
}

// value checks a value. key is its name in the file, path the one in the options.
func (o *options) value(value any, f *field, key, path string) {
	if key != "" {
		o.origins[key] = Origin{Source: optionsSource}
	}
	if !f.takesJSON(value) {
		o.fail(path, "want %s", f.jsonWants())
		return
	}
	switch f.kind {
	case kindTable:
		o.table(value.(map[string]any), f, key, path)
	case kindTables:
		for i, item := range value.([]any) {
			o.value(item, &field{kind: kindTable, fields: f.fields}, fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("%s[%d]", path, i))
		}
	case kindStrings:
		for i, item := range value.([]any) {
			if _, ok := item.(string); !ok {
				o.fail(fmt.Sprintf("%s[%d]", path, i), "want a string")
			}
		}
	case kindMap:
		want := &field{kind: kindString}
		if f.list {
			want.kind = kindStrings
		}
		for _, name := range slices.Sorted(maps.Keys(value.(map[string]any))) {
			o.value(value.(map[string]any)[name], want, join(key, name), join(path, name))
		}
	}
}

func (o *options) table(members map[string]any, f *field, key, path string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		i := slices.IndexFunc(f.fields, func(c *field) bool { return c.jsonName == name })
		if i < 0 {
			names := make([]string, len(f.fields))
			for n, c := range f.fields {
				names[n] = c.jsonName
			}
			err := o.fail(join(path, name), "unknown key")
			if err.Suggestion = suggest(name, names); err.Suggestion == "" {
				err.Message = "unknown key: there are " + list(names)
			}
			continue
		}
		o.value(members[name], f.fields[i], join(key, f.fields[i].name), join(path, name))
	}
}

func (f *field) takesJSON(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return f.kind == kindTable || f.kind == kindMap
	case []any:
		return f.kind == kindTables || f.kind == kindStrings
	case string:
		return f.kind == kindString || f.kind == kindDuration || f.kind == kindTime
	case bool:
		return f.kind == kindBool
	case json.Number:
		_, err := value.Int64()
		return f.kind == kindFloat || f.kind == kindDuration || f.kind == kindInt && err == nil
	}
	return false
}

func (f *field) jsonWants() string {
	switch f.kind {
	case kindTable, kindMap:
		return "an object"
	case kindTables:
		return "an array of objects"
	case kindString:
		return "a string"
	case kindDuration:
		return `a number of milliseconds, or a duration such as "5s"`
	case kindTime:
		return "a date such as 2030-12-31T12:00:00Z"
	}
	return f.kind.wants()
}

// camelCase gives a key as the options have it.
func camelCase(key string) string {
	parts := strings.Split(key, "_")
	for i, part := range parts[1:] {
		if part != "" {
			parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// jsonNameOf reads the tag.
func jsonNameOf(member reflect.StructField) string {
	name, _, _ := bytes.Cut([]byte(member.Tag.Get("json")), []byte(","))
	return string(name)
}
