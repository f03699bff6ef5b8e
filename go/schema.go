package alknet

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// typedSpec returns the spec of a typed operation. Schemas that an option gives are not
// made from the types.
func typedSpec[In, Out any](name, kind string, opts []HandlerOption) (Spec, error) {
	given := handling{}
	for _, opt := range opts {
		opt(&given)
	}
	spec := Spec{Name: name, Type: kind}
	var err error
	if given.spec.InputSchema == nil {
		if spec.InputSchema, err = schemaOf(reflect.TypeFor[In]()); err != nil {
			return spec, fmt.Errorf("alknet: %s: input: %w: give alknet.InputSchema", name, err)
		}
	}
	if given.spec.OutputSchema == nil {
		if spec.OutputSchema, err = schemaOf(reflect.TypeFor[Out]()); err != nil {
			return spec, fmt.Errorf("alknet: %s: output: %w: give alknet.OutputSchema", name, err)
		}
	}
	return spec, nil
}

// schemaOf returns the schema of what encoding/json reads and writes for t; nil for any
// value.
func schemaOf(t reflect.Type) (json.RawMessage, error) {
	if t.Kind() == reflect.Interface {
		return nil, nil
	}
	if t == reflect.TypeFor[struct{}]() { // no input: callers may leave it out
		return json.RawMessage(`{"type":["null","object"],"additionalProperties":false}`), nil
	}
	w := schemaWalk{known: map[reflect.Type]*jsonschema.Schema{}, open: map[reflect.Type]bool{}}
	if err := w.walk(t, t.String()); err != nil {
		return nil, err
	}
	schema, err := w.schema(t)
	if err != nil {
		return nil, err
	}
	return json.Marshal(schema)
}

// schemaWalk collects the schemas of types that jsonschema.ForType gets wrong: those with
// marshalling methods, bytes, maps that are nil.
type schemaWalk struct {
	known map[reflect.Type]*jsonschema.Schema
	open  map[reflect.Type]bool // types that the walk is inside of
}

func (w *schemaWalk) schema(t reflect.Type) (*jsonschema.Schema, error) {
	return jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: w.known})
}

func (w *schemaWalk) walk(t reflect.Type, path string) error {
	if w.known[t] != nil {
		return nil
	}
	if schema := schemaByMethod(t); schema != nil {
		w.known[t] = schema
		return nil
	}
	if t.Name() != "" {
		if w.open[t] {
			return fmt.Errorf("%s: the type %s contains itself", path, t)
		}
		w.open[t] = true
		defer delete(w.open, t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return w.walk(t.Elem(), path)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && schemaByMethod(t.Elem()) == nil {
			w.known[t] = &jsonschema.Schema{Types: []string{"null", "string"}, ContentEncoding: "base64"}
			return nil
		}
		return w.walk(t.Elem(), path+"[]")
	case reflect.Array:
		return w.walk(t.Elem(), path+"[]")
	case reflect.Map:
		return w.walkMap(t, path)
	case reflect.Struct:
		return w.walkStruct(t, path)
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Errorf("%s: a %s has no JSON form", path, t.Kind())
	}
	return nil
}

// walkMap allows null, which encoding/json writes for a nil map.
func (w *schemaWalk) walkMap(t reflect.Type, path string) error {
	switch t.Key().Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
	default:
		if !t.Key().Implements(textMarshaler) {
			return fmt.Errorf("%s: a map with keys of type %s has no JSON form", path, t.Key())
		}
	}
	if err := w.walk(t.Elem(), path+"{}"); err != nil {
		return err
	}
	values, err := w.schema(t.Elem())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	w.known[t] = &jsonschema.Schema{Types: []string{"null", "object"}, AdditionalProperties: values}
	return nil
}

func (w *schemaWalk) walkStruct(t reflect.Type, path string) error {
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
			continue
		case field.Anonymous && name != "":
			return fmt.Errorf("%s.%s: an embedded field with a JSON name", path, field.Name)
		case field.Anonymous && field.Type.Kind() == reflect.Pointer:
			return fmt.Errorf("%s.%s: an embedded pointer, whose fields may be missing", path, field.Name)
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			continue // its fields are visible ones of t
		case !field.IsExported():
			continue
		case strings.Contains(","+options+",", ",string,"):
			return fmt.Errorf("%s.%s: the tag option \",string\"", path, field.Name)
		}
		if err := w.walk(field.Type, path+"."+field.Name); err != nil {
			return err
		}
	}
	return nil
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	anything      = []string{"array", "boolean", "null", "number", "object", "string"}
)

// schemaByMethod returns the schema of a type that says itself how it is written, or nil.
func schemaByMethod(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[json.Number]():
		return &jsonschema.Schema{Type: "number"}
	}
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return nil // as what it points to; any value
	}
	pointer := reflect.PointerTo(t)
	switch {
	case pointer.Implements(jsonMarshaler):
		return &jsonschema.Schema{Types: anything} // the method may write anything
	case t.Implements(textMarshaler):
		return &jsonschema.Schema{Type: "string"}
	case pointer.Implements(textMarshaler): // whether it is called depends on the value's place
		return &jsonschema.Schema{Types: anything}
	}
	return nil
}
