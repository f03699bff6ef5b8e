package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one value that is stronger than the file's.
type Setting struct {
	Key    string // such as "limits.connections_per_address", or "listen"
	Value  string // lists with commas between their parts
	Source string // what to name in errors: "--listen" or "ALKNET_LISTEN"
}

// listenKey is the short name of all listeners' addresses.
const listenKey = "listen"

// set applies one setting.
func (c *Config) set(s Setting) *Error {
	fail := func(format string, args ...any) *Error {
		return &Error{Origin: Origin{Source: s.Source}, Key: s.Key, Message: fmt.Sprintf(format, args...)}
	}
	if s.Key == listenKey {
		c.Listeners = nil
		for _, address := range parts(s.Value) {
			c.Listeners = append(c.Listeners, Listener{Address: address})
		}
		if len(c.Listeners) == 0 {
			return fail("want an address such as %s", DefaultListen)
		}
		for key := range c.origins {
			if strings.HasPrefix(key, "listeners") {
				delete(c.origins, key)
			}
		}
		c.origins["listeners"] = Origin{Source: s.Source}
		return nil
	}
	f, v := structure(), reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(s.Key, ".") {
		child := f.child(name)
		switch {
		case f.kind != kindTable || child == nil:
			err := fail("unknown key")
			if f.kind == kindTable {
				err.Suggestion = suggest(name, f.names())
			}
			return err
		case child.kind == kindTables || child.kind == kindMap:
			return fail("this can be set in the file only")
		}
		f, v = child, v.Field(child.index)
	}
	if f.kind == kindTable {
		return fail("this is a table: name a key in it, %s", list(f.names()))
	}
	if err := f.setText(v, s.Value); err != nil {
		return fail("%s", err.Error())
	}
	c.origins[s.Key] = Origin{Source: s.Source}
	return nil
}

// setText puts the text of a flag or a variable into a field.
func (f *field) setText(v reflect.Value, text string) error {
	wrong := fmt.Errorf("want %s, not %q", strings.TrimSuffix(f.kind.wants(), " in quotes"), text)
	if f.secret {
		wrong = fmt.Errorf("want %s", f.kind.wants())
	}
	switch f.kind {
	case kindString:
		v.SetString(text)
	case kindStrings:
		v.Set(reflect.ValueOf(parts(text)))
	case kindBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return wrong
		}
		v.SetBool(b)
	case kindInt:
		n, err := strconv.ParseInt(text, 10, 0)
		if err != nil {
			return wrong
		}
		v.SetInt(n)
	case kindFloat:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return wrong
		}
		v.SetFloat(x)
	case kindDuration:
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		v.Set(reflect.ValueOf(d))
	case kindTime:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return wrong
		}
		v.Set(reflect.ValueOf(t))
	}
	return nil
}

// parts splits a list at its commas; it is never nil.
func parts(text string) []string {
	all := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

const envPrefix = "ALKNET_"

// fromEnvironment finds the settings among variables "NAME=value". Variables that
// begin as those of a section do must be keys of it; others, such as those that an
// orchestrator adds for a service of the same name, are nobody's business.
func fromEnvironment(environ []string) ([]Setting, Errors) {
	var settings []Setting
	var bad Errors
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(variable, "=")
		rest, ok := strings.CutPrefix(name, envPrefix)
		if !ok {
			continue
		}
		rest = strings.ToLower(rest)
		if rest == listenKey {
			settings = append(settings, Setting{listenKey, value, name})
			continue
		}
		for _, section := range structure().fields {
			key, ok := strings.CutPrefix(rest, section.name+"_")
			if !ok || section.kind != kindTable {
				continue
			}
			if section.child(key) == nil {
				e := &Error{Origin: Origin{Source: name}, Message: "there is no such key in [" + section.name + "]"}
				if near := suggest(key, section.names()); near != "" {
					e.Suggestion = envPrefix + strings.ToUpper(section.name+"_"+near)
				}
				bad = append(bad, e)
				continue
			}
			settings = append(settings, Setting{section.name + "." + key, value, name})
		}
	}
	return settings, bad
}
