package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Changes compares two configurations: the keys whose values differ, sorted, and
// those of them that need a restart.
func Changes(old, next *Config) (all, restart []string) {
	all, restart = []string{}, []string{}
	diff(reflect.ValueOf(old).Elem(), reflect.ValueOf(next).Elem(), structure(), "", func(key string, needsRestart bool) {
		all = append(all, key)
		if needsRestart {
			restart = append(restart, key)
		}
	})
	slices.Sort(all)
	slices.Sort(restart)
	return all, restart
}

func diff(a, b reflect.Value, f *field, prefix string, report func(string, bool)) {
	for _, c := range f.fields {
		key, x, y := join(prefix, c.name), a.Field(c.index), b.Field(c.index)
		switch {
		case c.kind == kindTable:
			diff(x, y, c, key, report)
		case c.kind == kindTables && x.Len() == y.Len():
			for i := range x.Len() {
				diff(x.Index(i), y.Index(i), c, fmt.Sprintf("%s[%d]", key, i), report)
			}
		case (c.kind == kindTables || c.kind == kindStrings || c.kind == kindMap) && x.Len() == 0 && y.Len() == 0:
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			report(key, c.restart)
		}
	}
}
