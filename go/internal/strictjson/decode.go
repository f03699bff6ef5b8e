package strictjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Unmarshal checks a text and decodes it as encoding/json does, but for names: a member
// is a field's only if it has exactly the name of the field's tag, or of the field with a
// small first letter. Members without a field are left out, as there.
func Unmarshal(text []byte, into any) error { return unmarshal(text, into, false) }

// UnmarshalKnown is Unmarshal that refuses a member without a field.
func UnmarshalKnown(text []byte, into any) error { return unmarshal(text, into, true) }

func unmarshal(text []byte, into any, known bool) error {
	if err := Check(text); err != nil {
		return err
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("strictjson: cannot decode into %T", into)
	}
	return decode(text[skipSpace(text, 0):], v.Elem(), known)
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decode fills v from the value at the beginning of text.
func decode(text []byte, v reflect.Value, known bool) error {
	if !hasFields(v.Type(), nil) {
		return json.Unmarshal(text[:endOfValue(text, 0)], v.Addr().Interface())
	}
	if v.Kind() == reflect.Pointer {
		if text[0] == 'n' {
			v.SetZero()
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return decode(text, v.Elem(), known)
	}
	want := byte('{')
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		want = '['
	}
	switch {
	case text[0] == 'n':
		v.SetZero()
		return nil
	case text[0] != want:
		return &json.UnmarshalTypeError{Value: kindName(text[0]), Type: v.Type()}
	}
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return each(text, func(_, item []byte) error {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			return decode(item, v.Index(v.Len()-1), known)
		})
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		return each(text, func(name, value []byte) error {
			element := reflect.New(v.Type().Elem()).Elem()
			if err := decode(value, element, known); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(string(name)).Convert(v.Type().Key()), element)
			return nil
		})
	}
	return each(text, func(name, value []byte) error {
		field := fieldOf(v, string(name))
		switch {
		case field.IsValid():
		case known:
			return fmt.Errorf("unknown member %s", Quote(string(name), 80))
		default:
			return nil
		}
		return decode(value, field, known)
	})
}

// hasFields reports whether a type holds a struct that encoding/json would fill by name.
func hasFields(t reflect.Type, seen []reflect.Type) bool {
	if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return false
	}
	for _, s := range seen {
		if s == t {
			return false
		}
	}
	switch t.Kind() {
	case reflect.Struct:
		return true
	case reflect.Pointer, reflect.Slice:
		return hasFields(t.Elem(), append(seen, t))
	case reflect.Map:
		return t.Key().Kind() == reflect.String && hasFields(t.Elem(), append(seen, t))
	}
	return false
}

// fieldOf returns the field with a name, through embedded structs.
func fieldOf(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && tag == "" && field.Type.Kind() == reflect.Struct:
			if found := fieldOf(v.Field(i), name); found.IsValid() {
				return found
			}
		case !field.IsExported() || field.Tag.Get("json") == "-":
		case tag == name || tag == "" && small(field.Name) == name:
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// small gives a field's name as JSON has it.
func small(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// each visits what a container has; name is nil for items.
func each(text []byte, visit func(name, value []byte) error) error {
	object := text[0] == '{'
	pos := skipSpace(text, 1)
	for text[pos] != '}' && text[pos] != ']' {
		var name []byte
		if object {
			name = unquoted(text, pos)
			pos = skipSpace(text, skipSpace(text, endOfString(text, pos))+1)
		}
		end := endOfValue(text, pos)
		if err := visit(name, text[pos:end]); err != nil {
			return err
		}
		if pos = skipSpace(text, end); text[pos] == ',' {
			pos = skipSpace(text, pos+1)
		}
	}
	return nil
}

func kindName(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}
