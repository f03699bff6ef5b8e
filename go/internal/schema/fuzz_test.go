package schema

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/strictjson"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A small schema and a small text are judged as by the library's own validator, where
// that reads numbers as the same doubles.
func FuzzAgainstLibrary(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"type":"object","required":["a"],"properties":{"a":{"enum":[1,"x",null]}},"additionalProperties":false}`, `{"a":1}`},
		{`{"anyOf":[{"type":"string"},{"items":{"$ref":"#"},"type":"array"}],"uniqueItems":true}`, `["a",["b"]]`},
		{`{"if":{"required":["a"]},"then":{"required":["b"]},"unevaluatedProperties":false,"properties":{"a":true}}`, `{"a":1,"b":2}`},
		{`{"prefixItems":[{"const":1}],"items":{"minimum":2,"multipleOf":0.5},"contains":{"maximum":3},"minContains":2}`, `[1,2,3.5]`},
		{`{"dependentRequired":{"a":["b"]},"dependentSchemas":{"c":{"maxProperties":1}},"propertyNames":{"maxLength":2}}`, `{"c":1,"d":2}`},
		{`{"oneOf":[{"minLength":1},{"maxLength":3}],"not":{"const":"ab"},"patternProperties":{"^a":{"type":"null"}}}`, `"abcd"`},
		{`{"allOf":[{"properties":{"x":true}}],"unevaluatedProperties":{"type":"number"},"unevaluatedItems":false}`, `{"x":"a","y":"b"}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, schema, text string) {
		if len(schema) > 400 || len(text) > 200 || strings.Contains(schema, "$schema") {
			return
		}
		d, err := strictjson.Parse([]byte(text))
		if err != nil || !plain(d) {
			return
		}
		if d, err := strictjson.Parse([]byte(schema)); err != nil || !plain(d) {
			return
		}
		s, err := Compile([]byte(schema))
		if err != nil || s == nil {
			return
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Check([]byte(text), nil)
		if err != nil || strings.Contains(schema, "$ref") && len(found) > 0 {
			return // the library gives up references that go round on one value in another way
		}
		if want := s.Compiled().Validate(value); (want == nil) != (len(found) == 0) {
			t.Fatalf("%s and %s: %v, and %v by the library", schema, text, found, want)
		}
		if answer, _ := json.Marshal(found); len(answer) > 48<<10 {
			t.Fatalf("a refusal of %d bytes", len(answer))
		}
	})
}

// plain reports whether all numbers are read alike, exactly or as doubles.
func plain(d *strictjson.Document) bool {
	for i := range d.Len() {
		if d.Kind(i) == strictjson.Number && (len(d.Number(i)) > 12 || math.Abs(d.Float(i)) > 1e9 || math.Abs(d.Float(i)) < 1e-9 && d.Float(i) != 0) {
			return false
		}
	}
	return true
}
