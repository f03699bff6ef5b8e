package call

import (
	"encoding/json"
	"strings"
	"testing"
)

// A text that two readers could understand differently does not fit, whatever the schema.
func TestSchemaReadsStrictly(t *testing.T) {
	for _, s := range []*schema{compiled(t, `{"type":["object","array","number","string"]}`), compiled(t, pointSchema), compiled(t, `{"not":{"const":0}}`)} {
		for _, text := range []string{
			`{"seq":1,"kind":"a","any":{"b":1,"\u0062":2}}`, `{"seq":1,"seq":1,"kind":"a"}`, `{"seq":1,"kind":"a","any":["\ud800"]}`, `{"seq":1,"kind":"a","any":1e400}`,
			`{"seq":1,"kind":"a","more":{"\udc00":1}}`, `{"seq":1,"kind":"a","any":` + strings.Repeat("9", 350) + `}`,
		} {
			if !wrong(s, []byte(text)) {
				t.Errorf("%.60s fits", text)
			}
		}
	}
}

// Any input is judged, quickly and without a panic.
func FuzzSchemaCheck(f *testing.F) {
	s := compiled(f, `{
		"type":["object","array","number","string"],"minimum":0,"multipleOf":0.01,"maxLength":5,"pattern":"^(?!b)a+$","uniqueItems":true,
		"items":{"$ref":"#"},"additionalProperties":{"$ref":"#"},"dependentRequired":{"a":["b"]},"not":{"const":7}}`)
	for _, seed := range []string{`{"a":1,"b":[1,1.0,1e0]}`, `1e9999999`, `[[[[[]]]]]`, `"aaaa"`, `-1e-400`, `{"":""}`, `7`, `nul`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) && !wrong(s, text) {
			t.Fatalf("%q fits the schema and is not JSON", text)
		}
	})
}
