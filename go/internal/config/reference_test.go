package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pelletier/go-toml/v2"
)

// comments are those of the structure, by type and field; a type's own stands under
// the field "".
func comments(t *testing.T) map[[2]string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	must(t, err)
	found := map[[2]string]string{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.TYPE {
			continue
		}
		for _, spec := range group.Specs {
			named := spec.(*ast.TypeSpec)
			found[[2]string{named.Name.Name, ""}] = flat(group.Doc.Text())
			if members, ok := named.Type.(*ast.StructType); ok {
				for _, member := range members.Fields.List {
					if len(member.Names) == 1 && member.Doc != nil {
						found[[2]string{named.Name.Name, member.Names[0].Name}] = flat(member.Doc.Text())
					}
				}
			}
		}
	}
	return found
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// reference writes what the structure says in other forms.
type reference struct {
	t        *testing.T
	comments map[[2]string]string
}

// describe gives a field's comment as a sentence about the key.
func (r *reference) describe(f *field) string {
	text := r.comments[[2]string{f.owner.Name(), f.goName}]
	if text == "" && (f.kind == kindTable || f.kind == kindTables) {
		member := f.owner.Field(f.index).Type
		if f.kind == kindTables {
			member = member.Elem()
		}
		text = r.comments[[2]string{member.Name(), ""}]
		f = &field{name: f.name, goName: member.Name()}
	}
	rest, ok := strings.CutPrefix(text, f.goName+" ")
	if !ok {
		r.t.Errorf("%s has no comment that begins with its name: %q", f.goName, text)
		return text
	}
	for _, lead := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, lead)
	}
	rest = strings.TrimPrefix(rest, "says who ")
	if strings.HasPrefix(text, f.goName+" says who ") {
		rest = "who " + rest
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

type object = map[string]any

func (r *reference) schema(f *field, v reflect.Value) object {
	var s object
	switch f.kind {
	case kindTable, kindTables:
		properties, required := object{}, []string{}
		for _, c := range f.fields {
			var value reflect.Value
			if f.kind == kindTable && v.IsValid() {
				value = v.Field(c.index)
			}
			properties[c.name] = r.schema(c, value)
			if c.required {
				required = append(required, c.name)
			}
		}
		s = object{"type": "object", "additionalProperties": false, "properties": properties}
		if len(required) > 0 {
			s["required"] = required
		}
		if f.kind == kindTables {
			s = object{"type": "array", "items": s}
		}
	case kindStrings:
		items := object{"type": "string", "minLength": 1}
		if f.enum != nil {
			items["enum"] = f.enum
		}
		s = object{"type": "array", "items": items}
	case kindMap:
		values := object{"type": "string"}
		if f.list {
			values = object{"type": "array", "items": object{"type": "string", "minLength": 1}}
		}
		s = object{"type": "object", "additionalProperties": values}
	case kindString:
		s = object{"type": "string"}
		if f.enum != nil {
			s["enum"] = f.enum
		}
	case kindDuration:
		s = object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`}
	case kindTime:
		s = object{"type": "string", "format": "date-time"}
	case kindBool:
		s = object{"type": "boolean"}
	default:
		s = object{"type": map[kind]string{kindInt: "integer", kindFloat: "number"}[f.kind]}
		for name, text := range map[string]string{"minimum": f.min, "maximum": f.max} {
			n, err := strconv.ParseFloat(text, 64)
			must(r.t, err)
			s[name] = n
		}
	}
	if f.name != "" {
		s["description"] = r.describe(f)
		if f.restart && f.kind != kindTable {
			s["description"] = s["description"].(string) + " Needs a restart."
		}
	}
	if v.IsValid() && f.kind != kindTable && f.kind != kindTables && !v.IsZero() {
		s["default"] = v.Interface()
	}
	return s
}

func (r *reference) rows(out *bytes.Buffer, f *field, v reflect.Value) {
	for _, c := range f.fields {
		if c.kind == kindTable || c.kind == kindTables {
			continue
		}
		notes := strings.ReplaceAll(r.describe(c), "|", `\|`)
		if c.min != "" {
			notes += fmt.Sprintf(" From %s to %s.", c.min, c.max)
		}
		if c.enum != nil {
			notes += " One of `" + strings.Join(c.enum, "`, `") + "`."
		}
		switch {
		case c.required:
			notes += " Required."
		case v.IsValid() && (!v.Field(c.index).IsZero() || c.kind == kindBool):
			notes += " Default: `" + text(c, v.Field(c.index)) + "`."
		}
		change := "reload"
		if c.restart {
			change = "restart"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", c.name, strings.TrimSuffix(strings.SplitN(c.kind.wants(), " such as", 2)[0], " in quotes"), change, notes)
	}
}

func (r *reference) sections(out *bytes.Buffer, f *field, v reflect.Value, prefix string) {
	for _, c := range f.fields {
		if c.kind != kindTable && c.kind != kindTables {
			continue
		}
		key, header, value := join(prefix, c.name), "[%s]", reflect.Value{}
		if c.kind == kindTables {
			header = "[[%s]]"
		} else if v.IsValid() {
			value = v.Field(c.index)
		}
		fmt.Fprintf(out, "\n### "+header+"\n\n%s\n\n| key | value | changed by | |\n| --- | --- | --- | --- |\n", key, r.describe(c))
		r.rows(out, c, value)
		r.sections(out, c, value, key)
	}
}

const (
	schemaFile    = "../../../docs/config.schema.json"
	referenceFile = "../../../docs/config.md"
)

func schemaText(t *testing.T) []byte {
	r := &reference{t, comments(t)}
	s := r.schema(structure(), reflect.ValueOf(*Default()))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Configuration of alknet"
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(t, encoder.Encode(s))
	return out.Bytes()
}

// The schema for editors and the table for people are those of this structure.
func TestReferenceIsCurrent(t *testing.T) {
	golden(t, schemaFile, schemaText(t))
	page, err := os.ReadFile(referenceFile)
	must(t, err)
	marked := regexp.MustCompile(`(?s)(<!-- from go/config: keys -->\n).*(\n<!-- end -->)`)
	if !marked.Match(page) {
		t.Fatalf("%s has no place for the keys", referenceFile)
	}
	var out bytes.Buffer
	r := &reference{t, comments(t)}
	r.sections(&out, structure(), reflect.ValueOf(*Default()), "")
	golden(t, referenceFile, marked.ReplaceAll(page, []byte("${1}"+strings.ReplaceAll(out.String(), "$", "$$")+"${2}")))
}

// The schema takes what Parse takes, and refuses what it refuses for its structure.
func TestSchemaAgreesWithParse(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText(t)))
	must(t, err)
	compiler := jsonschema.NewCompiler()
	must(t, compiler.AddResource("config.json", document))
	schema, err := compiler.Compile("config.json")
	must(t, err)
	valid := func(path string) error {
		var value map[string]any
		must(t, toml.Unmarshal(read(t, path), &value))
		raw, err := json.Marshal(value)
		must(t, err)
		value2, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		must(t, err)
		return schema.Validate(value2)
	}
	if err := valid("testdata/full.toml"); err != nil {
		t.Errorf("the full configuration: %v", err)
	}
	for _, name := range []string{"unknown_key", "unknown_section_with_keys", "wrong_types", "table_in_place_of_array", "array_in_place_of_table", "scalar_in_place_of_table", "range", "duration", "enum", "required", "inline_tables"} {
		if valid("testdata/mistakes/"+name+".toml") == nil {
			t.Errorf("%s is valid by the schema", name)
		}
	}
}
