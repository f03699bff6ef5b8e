package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Redacted stands for a secret in a dump.
const Redacted = "<redacted>"

// Dump gives the configuration as a TOML file, each value with where it came from,
// and secrets as Redacted. With onlySet the defaults are left out.
func (c *Config) Dump(onlySet bool) []byte {
	d := dump{config: c, onlySet: onlySet}
	d.table(reflect.ValueOf(c).Elem(), structure(), "", "")
	return bytes.TrimPrefix(d.out.Bytes(), []byte("\n"))
}

type dump struct {
	config  *Config
	onlySet bool
	out     bytes.Buffer
}

// table writes the keys of a table and then the tables in it; header opens it, once
// there is something to write.
func (d *dump) table(v reflect.Value, f *field, prefix, header string) {
	var lines [][2]string
	for _, c := range f.fields {
		key, value := join(prefix, c.name), v.Field(c.index)
		if c.kind == kindTable || c.kind == kindTables {
			continue
		}
		origin, set := d.config.origins[key]
		if strings.Contains(prefix, "[") {
			origin = d.config.Origin(key) // that of the array, where it was set as a whole
		}
		switch {
		case d.onlySet && origin == (Origin{}):
			continue
		case value.IsZero() && !set && c.kind != kindBool && c.kind != kindInt && c.kind != kindFloat && c.kind != kindDuration:
			continue // an option that was not taken
		case value.IsZero() && !set && strings.Contains(prefix, "["):
			continue
		}
		lines = append(lines, [2]string{c.name + " = " + text(c, value), origin.String()})
	}
	if len(lines) > 0 && header != "" {
		d.out.WriteString("\n" + header + "\n")
	}
	width := 0
	for _, line := range lines {
		width = max(width, min(len(line[0]), 48))
	}
	for _, line := range lines {
		fmt.Fprintf(&d.out, "%-*s # %s\n", width, line[0], line[1])
	}
	for _, c := range f.fields {
		key, value := join(prefix, c.name), v.Field(c.index)
		switch c.kind {
		case kindTable:
			d.table(value, c, key, "["+key+"]")
		case kindTables:
			if d.onlySet && d.config.Origin(key) == (Origin{}) && d.config.Origin(key+"[0]") == (Origin{}) {
				continue
			}
			for i := range value.Len() {
				d.table(value.Index(i), c, fmt.Sprintf("%s[%d]", key, i), "[["+unindexed(key)+"]]")
			}
		}
	}
}

// unindexed takes the numbers out of a key.
func unindexed(key string) string {
	for {
		open, end := strings.IndexByte(key, '['), strings.IndexByte(key, ']')
		if open < 0 || end < open {
			return key
		}
		key = key[:open] + key[end+1:]
	}
}

// text gives a value as TOML.
func text(f *field, v reflect.Value) string {
	if f.secret && !v.IsZero() && f.kind != kindMap {
		return quote(Redacted)
	}
	switch f.kind {
	case kindString:
		return quote(v.String())
	case kindStrings:
		return array(v.Interface().([]string))
	case kindDuration:
		return quote(v.Interface().(Duration).String())
	case kindTime:
		return timestamp(v.Interface().(time.Time))
	case kindMap:
		return inline(f, v)
	}
	return fmt.Sprint(v.Interface())
}

func inline(f *field, v reflect.Value) string {
	var pairs []string
	switch m := v.Interface().(type) {
	case map[string]string:
		for _, k := range slices.Sorted(maps.Keys(m)) {
			value := m[k]
			if f.secret {
				value = Redacted
			}
			pairs = append(pairs, bare(k)+" = "+quote(value))
		}
	case map[string][]string:
		return resources(m)
	}
	return braces(pairs)
}

func resources(m map[string][]string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, bare(k)+" = "+array(m[k]))
	}
	return braces(pairs)
}

func braces(pairs []string) string {
	if len(pairs) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(pairs, ", ") + " }"
}

func timestamp(t time.Time) string { return t.Format(time.RFC3339) }

func array(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = quote(item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote gives a TOML basic string: of Go's escapes it lacks \a, \v and \x.
func quote(s string) string {
	return strings.NewReplacer(`\\`, `\\`, `\a`, `\u0007`, `\v`, `\u000b`, `\x`, `\u00`).Replace(strconv.Quote(s))
}

// bare gives a key, in quotes where it needs them.
func bare(key string) string {
	if key != "" && strings.Trim(strings.ToLower(key), "abcdefghijklmnopqrstuvwxyz0123456789_-") == "" {
		return key
	}
	return quote(key)
}
