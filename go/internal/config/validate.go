package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate checks what can be told from the configuration alone, and returns all
// that is wrong as Errors. Whether the files that it names can be used is for those
// to say who use them.
func (c *Config) Validate() error {
	v := validation{config: c}
	v.table(reflect.ValueOf(c).Elem(), structure(), "")
	v.listeners()
	v.tls()
	v.auth()
	v.access()
	v.forwarding()
	v.limits()
	v.traces()
	v.secrets()
	return v.errors.sorted()
}

type validation struct {
	config *Config
	errors Errors
}

func (v *validation) fail(key, format string, args ...any) *Error {
	err := v.config.Errorf(key, format, args...)
	v.errors = append(v.errors, err)
	return err
}

// table checks what the fields' tags say: presence, range and choice.
func (v *validation) table(value reflect.Value, f *field, prefix string) {
	for _, c := range f.fields {
		key, member := join(prefix, c.name), value.Field(c.index)
		switch c.kind {
		case kindTable:
			v.table(member, c, key)
		case kindTables:
			for i := range member.Len() {
				v.table(member.Index(i), c, fmt.Sprintf("%s[%d]", key, i))
			}
		default:
			v.value(member, c, key)
		}
	}
}

func (v *validation) value(member reflect.Value, f *field, key string) {
	if member.IsZero() || member.Kind() == reflect.Slice && member.Len() == 0 {
		if f.required {
			message := "this key is required"
			if _, set := v.config.origins[key]; set {
				message = "this may not be empty"
			}
			v.fail(key, "%s", message)
			return
		}
		if member.Kind() == reflect.String {
			if _, set := v.config.origins[key]; set && (f.enum != nil || f.path) {
				v.fail(key, "want %s, not an empty string", f.choice())
			}
			return
		}
	}
	switch f.kind {
	case kindString:
		v.enum(f, key, member.String())
		if strings.ContainsRune(member.String(), 0) {
			v.fail(key, "a string may not hold a NUL character")
		}
	case kindStrings:
		for i, item := range member.Interface().([]string) {
			at := fmt.Sprintf("%s[%d]", key, i)
			if item == "" {
				v.fail(at, "an empty string means nothing here")
			} else {
				v.enum(f, at, item)
			}
		}
	case kindInt, kindFloat, kindDuration:
		v.bounds(member, f, key)
	}
}

func (f *field) choice() string {
	if f.path {
		return "the name of a file"
	}
	return "one of " + list(f.enum)
}

func (v *validation) enum(f *field, key, value string) {
	if f.enum != nil && !slices.Contains(f.enum, value) {
		v.fail(key, "want %s, not %q", f.choice(), value).Suggestion = suggest(value, f.enum)
	}
}

func (v *validation) bounds(member reflect.Value, f *field, key string) {
	if f.min == "" {
		return
	}
	if n := number(member); !(n >= f.limit(f.min) && n <= f.limit(f.max)) { // NaN is outside too
		v.fail(key, "%v is out of range: want %s to %s", member.Interface(), f.min, f.max)
	}
}

func number(member reflect.Value) float64 {
	if member.CanFloat() {
		return member.Float()
	}
	return float64(member.Int())
}

// limit reads the min or max of the field's tag.
func (f *field) limit(text string) float64 {
	if f.kind == kindDuration {
		d, err := time.ParseDuration(text)
		if err == nil {
			return float64(d)
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic("config: bounds of " + f.name + ": " + err.Error()) // a defect of this package
	}
	return n
}
