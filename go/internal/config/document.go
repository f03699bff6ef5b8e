package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// document walks a TOML text beside a model of what may stand in it. It notes where
// each key stands, and what is not allowed there; the decoder, which comes after it,
// does the rest.
type document struct {
	file    string
	parser  unstable.Parser
	lines   []int // the offset of each line
	origins map[string]Origin
	counts  map[string]int // tables of each array so far
	errors  Errors
}

// scan reads the whole text.
func scan(file string, data []byte, root *field) *document {
	d := &document{file: file, lines: []int{0}, origins: map[string]Origin{}, counts: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	d.parser.Reset(data)
	table, prefix := root, ""
	for d.parser.NextExpression() {
		node := d.parser.Expression()
		switch node.Kind {
		case unstable.Table, unstable.ArrayTable:
			table, prefix = d.header(node, root)
		case unstable.KeyValue:
			if table != nil {
				d.keyValue(node, table, prefix)
			}
		}
	}
	var syntax *unstable.ParserError
	if errors.As(d.parser.Error(), &syntax) {
		d.errors = append(d.errors, &Error{Origin: d.place(d.parser.Range(syntax.Highlight)), Message: strings.Replace(syntax.Message, "at start of value", "where a value starts: strings stand in quotes", 1)})
	}
	return d
}

// keyAt returns the innermost key that stands in a line: the decoder names the key
// within its table only.
func (d *document) keyAt(line int) string {
	found := ""
	for key, origin := range d.origins {
		if origin.Line == line && len(key) > len(found) {
			found = key
		}
	}
	return found
}

// at gives the place of a node in the file.
func (d *document) at(node *unstable.Node) Origin { return d.place(node.Raw) }

func (d *document) place(at unstable.Range) Origin {
	// The parser gives offsets of the text; columns count characters, as editors do.
	offset := int(at.Offset)
	line, exact := slices.BinarySearch(d.lines, offset)
	if exact {
		line++
	}
	return Origin{File: d.file, Line: line, Column: 1 + utf8.RuneCount(d.parser.Data()[d.lines[line-1]:offset])}
}

func (d *document) fail(node *unstable.Node, key, format string, args ...any) *Error {
	err := &Error{Origin: d.at(node), Key: key, Message: fmt.Sprintf(format, args...)}
	d.errors = append(d.errors, err)
	return err
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// unknown reports a key that the table does not have.
func (d *document) unknown(node *unstable.Node, table *field, prefix string) {
	name := string(node.Data)
	err := d.fail(node, join(prefix, name), "unknown key")
	if err.Suggestion = suggest(name, table.names()); err.Suggestion == "" {
		where := "the file"
		if prefix != "" {
			where = "[" + prefix + "]"
		}
		err.Message = fmt.Sprintf("unknown key: %s has %s", where, list(table.names()))
	}
}

// header enters the table that [name] or [[name]] opens; nil is one that nothing is
// known of, whose keys are passed over.
func (d *document) header(node *unstable.Node, root *field) (table *field, prefix string) {
	table = root
	parts := node.Key()
	for parts.Next() {
		part := parts.Node()
		if table.kind == kindMap {
			d.fail(part, prefix, "want keys with values here, not a table")
			return nil, ""
		}
		f := table.child(string(part.Data))
		if f == nil {
			d.unknown(part, table, prefix)
			return nil, ""
		}
		key := join(prefix, f.name)
		last := parts.IsLast()
		switch {
		case f.kind == kindTables && last && node.Kind == unstable.ArrayTable:
			prefix = fmt.Sprintf("%s[%d]", key, d.counts[key])
			d.counts[key]++
		case f.kind == kindTables && !last && d.counts[key] > 0:
			prefix = fmt.Sprintf("%s[%d]", key, d.counts[key]-1)
		case f.kind == kindTables:
			d.fail(part, key, "write [[%s]]: there can be several", key)
			return nil, ""
		case f.kind != kindTable && f.kind != kindMap:
			d.fail(part, key, "want %s, not a table", f.kind.wants())
			return nil, ""
		case last && node.Kind == unstable.ArrayTable:
			d.fail(part, key, "write [%s]: there is only one", key)
			return nil, ""
		default:
			prefix = key
		}
		table = f
		if _, ok := d.origins[prefix]; !ok {
			d.origins[prefix] = d.at(part)
		}
	}
	return table, prefix
}

// keyValue enters "key = value" of a table.
func (d *document) keyValue(node *unstable.Node, table *field, prefix string) {
	parts := node.Key()
	for parts.Next() {
		part := parts.Node()
		if table.kind == kindMap {
			key := join(prefix, string(part.Data))
			d.origins[key] = d.at(part)
			if !parts.IsLast() {
				d.fail(part, prefix, "want keys with values here, not a table")
				return
			}
			want := kindString
			if table.list {
				want = kindStrings
			}
			d.value(node.Value(), part, &field{kind: want}, key)
			return
		}
		f := table.child(string(part.Data))
		if f == nil {
			d.unknown(part, table, prefix)
			return
		}
		prefix = join(prefix, f.name)
		d.origins[prefix] = d.at(part)
		if parts.IsLast() {
			d.value(node.Value(), part, f, prefix)
			return
		}
		if f.kind != kindTable && f.kind != kindMap {
			d.fail(part, prefix, "want %s, not a table", f.kind.wants())
			return
		}
		table = f
	}
}

// value checks a value's type and enters what is inside it. key is the node to
// blame where the value has no place of its own.
func (d *document) value(node, key *unstable.Node, f *field, path string) {
	place := node
	if node.Raw.Length == 0 {
		place = key
	}
	if !f.takes(node.Kind) {
		d.fail(place, path, "want %s", f.kind.wants())
		return
	}
	switch {
	case node.Kind == unstable.InlineTable:
		items := node.Children()
		for items.Next() {
			d.keyValue(items.Node(), f, path)
		}
	case node.Kind == unstable.Array && f.kind == kindTables:
		items := node.Children()
		for n := 0; items.Next(); n++ {
			item, path := items.Node(), fmt.Sprintf("%s[%d]", path, n)
			d.origins[path] = d.origins[path[:len(path)-len(fmt.Sprintf("[%d]", n))]]
			if item.Kind != unstable.InlineTable {
				d.fail(key, path, "want a table")
				continue
			}
			d.value(item, key, &field{kind: kindTable, fields: f.fields}, path)
		}
	case node.Kind == unstable.Array:
		items := node.Children()
		for n := 0; items.Next(); n++ {
			item, path := items.Node(), fmt.Sprintf("%s[%d]", path, n)
			if item.Raw.Length > 0 {
				d.origins[path] = d.at(item)
			}
			d.value(item, key, &field{kind: kindString}, path)
		}
	}
}

// takes reports whether a value of that kind may stand for the field.
func (f *field) takes(k unstable.Kind) bool {
	switch f.kind {
	case kindTable, kindMap:
		return k == unstable.InlineTable
	case kindTables, kindStrings:
		return k == unstable.Array
	case kindString, kindDuration:
		return k == unstable.String
	case kindBool:
		return k == unstable.Bool
	case kindInt:
		return k == unstable.Integer
	case kindFloat:
		return k == unstable.Float || k == unstable.Integer
	default: // kindTime
		return k == unstable.DateTime || k == unstable.LocalDateTime || k == unstable.LocalDate
	}
}
