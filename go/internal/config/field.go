package config

import (
	"reflect"
	"strings"
	"sync"
	"time"
)

// kind is what a field takes.
type kind int

const (
	kindTable   kind = iota // a fixed set of keys
	kindTables              // an array of tables
	kindStrings             // an array of strings
	kindMap                 // a table of free keys, with strings or arrays of strings
	kindString
	kindBool
	kindInt
	kindFloat
	kindDuration
	kindTime
)

// wants says what a value of the kind looks like.
func (k kind) wants() string {
	return [...]string{
		kindTable: "a table", kindTables: "an array of tables", kindStrings: `an array of strings such as ["a", "b"]`, kindMap: "a table",
		kindString: "a string in quotes", kindBool: "true or false", kindInt: "a whole number", kindFloat: "a number",
		kindDuration: `a duration in quotes such as "5s"`, kindTime: "a date such as 2030-12-31 or 2030-12-31T12:00:00Z",
	}[k]
}

// field is one key of the configuration, read from the structure's tags.
type field struct {
	name     string // in the file
	jsonName string // in the programmatic options
	goName   string
	owner    reflect.Type // the struct that has it
	index    int          // in its struct
	kind     kind
	fields   []*field // of a table, or of an array's tables
	list     bool     // of a map: its values are arrays of strings
	enum     []string
	min, max string
	required bool
	restart  bool // its values are read at the start only
	secret   bool
	path     bool // a file: relative to the folder of the file that names it
}

// child returns the field of that name, or nil.
func (f *field) child(name string) *field {
	for _, c := range f.fields {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (f *field) names() []string {
	names := make([]string, len(f.fields))
	for i, c := range f.fields {
		names[i] = c.name
	}
	return names
}

// structure is the model of the whole Config.
var structure = sync.OnceValue(func() *field {
	return &field{kind: kindTable, fields: fieldsOf(reflect.TypeFor[Config](), false)}
})

// keyFileStructure is the model of the file of API keys.
var keyFileStructure = sync.OnceValue(func() *field {
	return &field{kind: kindTable, fields: fieldsOf(reflect.TypeFor[apiKeyFile](), false)}
})

func fieldsOf(t reflect.Type, restart bool) []*field {
	var fields []*field
	for i := range t.NumField() {
		member := t.Field(i)
		name, _, _ := strings.Cut(member.Tag.Get("toml"), ",")
		if name == "" {
			continue
		}
		f := &field{
			name: name, jsonName: jsonNameOf(member), goName: member.Name, owner: t, index: i, min: member.Tag.Get("min"), max: member.Tag.Get("max"),
			required: member.Tag.Get("required") != "", restart: restart || member.Tag.Get("restart") != "",
			secret: member.Tag.Get("secret") != "", path: member.Tag.Get("path") != "",
		}
		if enum := member.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		f.classify(member.Type)
		fields = append(fields, f)
	}
	return fields
}

func (f *field) classify(t reflect.Type) {
	switch {
	case t == reflect.TypeFor[Duration]():
		f.kind = kindDuration
	case t == reflect.TypeFor[time.Time]():
		f.kind = kindTime
	case t.Kind() == reflect.Struct:
		f.kind, f.fields = kindTable, fieldsOf(t, f.restart)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		f.kind, f.fields = kindTables, fieldsOf(t.Elem(), f.restart)
	case t.Kind() == reflect.Slice:
		f.kind = kindStrings
	case t.Kind() == reflect.Map:
		f.kind, f.list = kindMap, t.Elem().Kind() == reflect.Slice
	case t.Kind() == reflect.Bool:
		f.kind = kindBool
	case t.Kind() == reflect.Int:
		f.kind = kindInt
	case t.Kind() == reflect.Float64:
		f.kind = kindFloat
	case t.Kind() == reflect.String:
		f.kind = kindString
	default:
		panic("config: a field of type " + t.String()) // a defect of this package
	}
}
