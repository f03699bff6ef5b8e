package call

import (
	"bytes"
	"reflect"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/wire"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// shape is what a schema says of types and members. It is checked by scanning the
// text, where the validator wants it decoded first, which is the larger half of what a
// short call costs its node. A text that fits the shape fits the schema; one that does
// not may fit all the same, and is the validator's to judge.
type shape struct {
	types     valueType
	members   map[string]member
	required  uint64 // members that must be there
	closed    bool   // no other members
	others    *shape // of other members
	items     *shape
	minLength int // characters
	maxLength int
}

// member is a member of an object that the schema names.
type member struct {
	bit   uint64 // in shape.required
	shape *shape
}

type valueType uint8

const (
	objectValue valueType = 1 << iota
	arrayValue
	stringValue
	booleanValue
	nullValue
	integerValue
	numberValue // integers too
)

var valueTypes = map[string]valueType{
	"object": objectValue, "array": arrayValue, "string": stringValue, "boolean": booleanValue, "null": nullValue,
	"integer": integerValue, "number": numberValue | integerValue,
}

const anyType = valueType(0xff)

// anything fits all that shape.fits can judge.
var anything = func() *shape {
	s := &shape{types: anyType, maxLength: -1}
	s.others, s.items = s, s
	return s
}()

// shaped are the keywords that a shape holds or that constrain nothing. A schema with
// any other has no shape, whatever it is.
var shaped = map[string]bool{
	"Bool": true, "Types": true, "Required": true, "Properties": true, "AdditionalProperties": true, "Items2020": true, "MinLength": true, "MaxLength": true,
	"DraftVersion": true, "Location": true, "ID": true, "Anchor": true,
	"Title": true, "Description": true, "Default": true, "Comment": true, "ReadOnly": true, "WriteOnly": true, "Examples": true, "Deprecated": true,
}

// maxShapeMembers is how many members of one object a shape can count.
const maxShapeMembers = 64

// shapeOf returns the shape of a compiled schema, or nil when it has none.
func shapeOf(s *jsonschema.Schema) *shape {
	fields := reflect.ValueOf(s).Elem()
	for i := range fields.NumField() {
		if field := fields.Type().Field(i); field.IsExported() && !fields.Field(i).IsZero() && !shaped[field.Name] {
			return nil
		}
	}
	if s.Bool != nil {
		if *s.Bool {
			return anything
		}
		return nil
	}
	out := &shape{types: anyType, members: map[string]member{}, others: anything, items: anything, maxLength: -1}
	if s.Types != nil {
		out.types = 0
		for _, name := range s.Types.ToStrings() {
			out.types |= valueTypes[name]
		}
	}
	for name, property := range s.Properties {
		of := shapeOf(property)
		if of == nil {
			return nil
		}
		out.members[name] = member{1 << len(out.members), of}
	}
	switch additional := s.AdditionalProperties.(type) {
	case nil:
	case bool:
		out.closed = !additional
	case *jsonschema.Schema:
		if out.others = shapeOf(additional); out.others == nil {
			return nil
		}
	default:
		return nil
	}
	for _, name := range s.Required {
		m, named := out.members[name]
		if !named {
			if out.closed {
				return nil // nothing fits
			}
			m = member{1 << len(out.members), out.others}
			out.members[name] = m
		}
		out.required |= m.bit
	}
	if len(out.members) > maxShapeMembers {
		return nil
	}
	if s.Items2020 != nil {
		if out.items = shapeOf(s.Items2020); out.items == nil {
			return nil
		}
	}
	if s.MinLength != nil {
		out.minLength = *s.MinLength
	}
	if s.MaxLength != nil {
		out.maxLength = *s.MaxLength
	}
	return out
}

// maxShapeDepth bounds the levels that are looked at: each is scanned once more.
const maxShapeDepth = 8

// plainDigits is how long a number without an exponent may be to be a double for sure.
const plainDigits = 300

// fitsObject reports whether text is a JSON object that fits.
func (s *shape) fitsObject(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{' && utf8.Valid(text) && s.fits(text, maxShapeDepth)
}

// fits judges a value. Below the first level it is known to be well-formed, and to
// begin with no space.
func (s *shape) fits(value []byte, depth int) bool {
	if depth == 0 {
		return false
	}
	switch value[0] {
	case '{':
		return s.types&objectValue != 0 && s.fitsMembers(value, depth)
	case '[':
		ok := s.types&arrayValue != 0
		return ok && wire.Items(value, func(item []byte) { ok = ok && s.items.fits(item, depth-1) }) && ok
	case '"':
		text := value[1 : len(value)-1]
		return s.types&stringValue != 0 && !bytes.Contains(text, unicodeEscape) && s.fitsLength(text)
	case 't', 'f':
		return s.types&booleanValue != 0
	case 'n':
		return s.types&nullValue != 0
	}
	if len(value) > plainDigits || bytes.IndexByte(value, 'e') >= 0 || bytes.IndexByte(value, 'E') >= 0 {
		return false
	}
	if bytes.IndexByte(value, '.') >= 0 {
		return s.types&numberValue != 0
	}
	return s.types&integerValue != 0
}

// unicodeEscape may begin half of a surrogate pair.
var unicodeEscape = []byte(`\u`)

// fitsMembers judges the members of an object. Names that are there twice do not fit.
func (s *shape) fitsMembers(value []byte, depth int) bool {
	var seen uint64
	var others [8][]byte // names that are not in s.members
	n := 0
	ok := true
	whole := wire.Members(value, func(name, value []byte) {
		if !ok {
			return
		}
		m, named := s.members[string(name)]
		switch {
		case named:
			ok = seen&m.bit == 0 && m.shape.fits(value, depth-1)
			seen |= m.bit
		case s.closed || n == len(others) || bytes.ContainsRune(name, utf8.RuneError) || !utf8.Valid(name):
			ok = false // a name with U+FFFD may be half of a surrogate pair
		default:
			for _, other := range others[:n] {
				ok = ok && !bytes.Equal(other, name)
			}
			others[n] = name
			n++
			ok = ok && s.others.fits(value, depth-1)
		}
	})
	return whole && ok && seen&s.required == s.required
}

func (s *shape) fitsLength(text []byte) bool {
	if s.minLength == 0 && s.maxLength < 0 {
		return true
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		return false
	}
	n := utf8.RuneCount(text)
	return n >= s.minLength && (s.maxLength < 0 || n <= s.maxLength)
}
