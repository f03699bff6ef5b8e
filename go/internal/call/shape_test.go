package call

import (
	"encoding/json"
	"strings"
	"testing"
)

func compiled(t testing.TB, text string) *schema {
	t.Helper()
	s, err := compileSchema("/n/n", "inputSchema", json.RawMessage(text))
	must(t, err)
	return s
}

// wrong reports whether a text does not fit.
func wrong(s *schema, text []byte) bool {
	found, err := s.check(text, nil)
	return err != nil || len(found) > 0
}

const pointSchema = `{"type":"object","required":["seq","kind"],"additionalProperties":false,"properties":{
	"seq":{"type":"integer"},"kind":{"type":"string","minLength":1,"maxLength":5},"weight":{"type":"number"},"on":{"type":"boolean"},
	"tags":{"type":["array","null"],"items":{"type":"string"}},"more":{"type":"object","additionalProperties":{"type":"integer"}},"any":true}}`

func TestShape(t *testing.T) {
	s := compiled(t, pointSchema)
	if s.shape == nil {
		t.Fatal("the schema has no shape")
	}
	for text, fits := range map[string]bool{
		`{"seq":1,"kind":"a"}`:                                             true,
		` { "kind" : "äöüßé" , "seq" : -12 } `:                             true,
		`{"seq":1,"kind":"a","weight":1.5}`:                                true,
		`{"seq":1,"kind":"a","weight":2,"on":true}`:                        true,
		`{"seq":1,"kind":"a","tags":null,"more":{"a":1,"b":2}}`:            true,
		`{"seq":1,"kind":"a","tags":["x","y\n"],"any":[{"x":[null,1.5]}]}`: true,
		// What does not fit, though the schema accepts it.
		`{"seq":1.0,"kind":"a"}`:                       false,
		`{"seq":1e2,"kind":"a"}`:                       false,
		`{"seq":1,"seq":2,"kind":"a"}`:                 false,
		`{"seq":1,"kind":"a","any":{"b":1,"b":2}}`:     false,
		`{"seq":1,"kind":"a","any":{"\ud800":1}}`:      false,
		`{"seq":1,"kind":"a","any":["\ud800"]}`:        false,
		`{"seq":1,"kind":"\u0061"}`:                    false,
		`{"seq":1,"kind":"a","any":[[[[[[[[1]]]]]]]]}`: false,
		// What the schema refuses.
		`{"seq":1}`: false, `{"seq":"1","kind":"a"}`: false, `{"seq":1,"kind":""}`: false, `{"seq":1,"kind":"abcdef"}`: false, `{"seq":1,"kind":"a","x":1}`: false,
		`{"seq":1,"kind":"a","tags":[1]}`: false, `{"seq":1,"kind":"a","more":{"a":"b"}}`: false, `{"seq":1,"kind":"a","on":null}`: false, `{"seq":1,"kind":"a","tags":{}}`: false,
		`{"seq":1,"kind":"a","any":` + strings.Repeat("1", 401) + `}`: false,
		`[]`: false, `1`: false, ``: false, ` `: false, `{"seq":1,"kind":"a"`: false, `{"seq":1,"kind":"a"}}`: false, `{"seq":1,"kind":"a","tags":["x",]}`: false,
	} {
		if got := s.shape.fitsObject([]byte(text)); got != fits {
			t.Errorf("%s: fits %v, want %v", text, got, fits)
		}
	}
}

// A schema that says more than a shape can hold has none.
func TestNoShape(t *testing.T) {
	for _, text := range []string{
		`false`, `{"minimum":1}`, `{"pattern":"a"}`, `{"enum":["a"]}`, `{"properties":{"a":{"const":1}}}`, `{"items":{"multipleOf":2}}`, `{"additionalProperties":{"$ref":"#"}}`,
		`{"not":{}}`, `{"anyOf":[{}]}`, `{"uniqueItems":true}`, `{"minProperties":1}`, `{"patternProperties":{"a":false}}`, `{"unevaluatedProperties":false}`, `{"prefixItems":[false]}`,
		`{"if":{},"then":false}`, `{"dependentRequired":{"a":["b"]}}`, `{"propertyNames":{"maxLength":1}}`, `{"contains":{}}`, `{"required":["a"],"additionalProperties":false}`,
	} {
		if s := compiled(t, text); s.shape != nil {
			t.Errorf("%s has a shape", text)
		}
	}
	for _, text := range []string{`{}`, `{"type":"object","required":["a"]}`, `{"required":["a"],"additionalProperties":{"type":"string"}}`, `{"title":"x","description":"y","examples":[1]}`} {
		if s := compiled(t, text); s.shape == nil {
			t.Errorf("%s has no shape", text)
		}
	}
}

// What fits the shape fits the schema.
func FuzzShape(f *testing.F) {
	schemas := []*schema{
		compiled(f, pointSchema),
		compiled(f, `{"required":["a","b"],"additionalProperties":true}`),
		compiled(f, `{"type":"object","properties":{"a":{"type":"object","required":["b"],"properties":{"b":{"items":{"type":["number","null"]}}}}},"additionalProperties":{"type":"string","maxLength":3}}`),
	}
	for _, seed := range []string{
		`{"seq":1,"kind":"a","tags":["x"],"more":{"a":1},"any":{"b":[1.5,true]}}`, `{"a":1,"b":null}`, `{"a":{"b":[1,null]},"c":"xyz"}`,
		`{"a":{"b":[1e9999]},"c":"xyz"}`, "{\"a\":1,\"b\":\"\xff\"}", `{"\u0061":1,"b":2}`, `{"a":1,"a":2,"b":3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for i, s := range schemas {
			if s.shape == nil {
				t.Fatalf("schema %d has no shape", i)
			}
			if whole := (&schema{compiled: s.compiled}); s.shape.fitsObject(text) && wrong(whole, text) {
				t.Fatalf("%q fits the shape of schema %d, and not the schema", text, i)
			}
		}
	})
}

func BenchmarkSchemaCheck(b *testing.B) {
	s := compiled(b, pointSchema)
	text := []byte(`{"seq":123456,"kind":"bench","weight":12.5,"tags":["a","b"],"on":true}`)
	for name, s := range map[string]*schema{"shape": s, "validator": {compiled: s.compiled}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if wrong(s, text) {
					b.Fatal("refused")
				}
			}
		})
	}
}
