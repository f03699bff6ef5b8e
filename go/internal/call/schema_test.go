package call

import (
	"encoding/json"
	"strings"
	"testing"
)

// Numbers whose exact value would take megabytes are refused before they are made.
func TestNumbersThatCostTooMuch(t *testing.T) {
	s, err := compileSchema("/n/n", "inputSchema", json.RawMessage(`{"type":["object","array","number"],"minimum":0,"items":{"multipleOf":1},"properties":{"n":{"maximum":1}}}`))
	must(t, err)
	for text, pointer := range map[string]string{
		`1e9999999`: "", `{"n":1E+401}`: "/n", `[1,[2,1e-9999999]]`: "/1/1", `{"a/b":[` + strings.Repeat("1", 401) + `]}`: "/a~1b/0",
		`1e99999999999999999999`: "",
	} {
		got := s.check([]byte(text))
		if len(got) != 1 || got[0].Pointer != pointer || !strings.Contains(got[0].Message, "digits") {
			t.Errorf("%.40s: %+v", text, got)
		}
	}
	for _, text := range []string{`1e400`, `0`, `[1e308]`, strings.Repeat("1", 400)} {
		if got := s.check([]byte(text)); got != nil {
			t.Errorf("%.40s: %+v", text, got)
		}
	}
}

// Any input is judged, quickly and without a panic.
func FuzzSchemaCheck(f *testing.F) {
	s, err := compileSchema("/n/n", "inputSchema", json.RawMessage(`{
		"type":["object","array","number","string"],"minimum":0,"multipleOf":0.01,"maxLength":5,"pattern":"^a+$","uniqueItems":true,
		"items":{"$ref":"#"},"additionalProperties":{"$ref":"#"},"dependentRequired":{"a":["b"]},"not":{"const":7}}`))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{`{"a":1,"b":[1,1.0,1e0]}`, `1e9999999`, `[[[[[]]]]]`, `"aaaa"`, `-1e-400`, `{"":""}`, `7`, `nul`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := s.check(text); !json.Valid(text) && got == nil {
			t.Fatalf("%q fits the schema and is not JSON", text)
		}
	})
}
