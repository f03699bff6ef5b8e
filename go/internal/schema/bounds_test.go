package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func mustCompile(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Compile([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// steps returns how much work a text takes, and whether it fits.
func steps(t *testing.T, s *Schema, text string) (int64, bool) {
	t.Helper()
	size := strings.Count(text, "")
	asked := int64(0)
	found, err := s.Check([]byte(text), func() bool { asked++; return false })
	if err != nil {
		t.Fatalf("%d bytes: %v", size, err)
	}
	return asked, len(found) == 0
}

// A union that refers to itself is judged once for each value.
func TestRecursiveUnionIsLinear(t *testing.T) {
	branch := `{"type":"object","required":["kind"],"properties":{"child":{"$ref":"#"},"kind":{"const":"%s"}}}`
	for _, keyword := range []string{"oneOf", "anyOf"} {
		s := mustCompile(t, fmt.Sprintf(`{"%s":[`+branch+`,`+branch+`,{"type":"number"}]}`, keyword, "not", "neg"))
		for _, leaf := range []string{"1", `"wrong"`} {
			text := strings.Repeat(`{"kind":"neg","child":`, 2000) + leaf + strings.Repeat("}", 2000)
			if n, fits := steps(t, s, text); fits != (leaf == "1") || n > 1000 {
				t.Errorf("%s to %s: fits %v after %d thousand steps", keyword, leaf, fits, n)
			}
		}
	}
	both := mustCompile(t, `{"allOf":[{"properties":{"c":{"$ref":"#"}}},{"additionalProperties":{"$ref":"#"}}]}`)
	if n, fits := steps(t, both, strings.Repeat(`{"c":`, 3000)+"1"+strings.Repeat("}", 3000)); !fits || n > 1000 {
		t.Errorf("allOf: fits %v after %d thousand steps", fits, n)
	}
}

// What is judged again and again all the same ends with an error.
func TestWorkIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range 40 {
		fmt.Fprintf(&b, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	b.WriteString(`"d40":{"type":"string"}}}`)
	if _, err := mustCompile(t, b.String()).Check([]byte("1"), nil); !errors.Is(err, ErrWork) {
		t.Errorf("2^40 branches: %v", err)
	}
	for _, text := range []string{`{"$ref":"#"}`, `{"allOf":[{"$ref":"#"}]}`, `{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}`} {
		s, err := Compile([]byte(text))
		if err != nil {
			continue
		}
		for _, value := range []string{"1", "{}", "[]"} {
			if found, err := s.Check([]byte(value), nil); err == nil && len(found) == 0 {
				t.Errorf("%s accepts %s", text, value)
			}
		}
	}
}

// Judging stops when its answer is not wanted.
func TestStopped(t *testing.T) {
	s := mustCompile(t, `{"items":{"type":"number"}}`)
	if _, err := s.Check([]byte("["+strings.Repeat("1,", 100000)+"1]"), func() bool { return true }); !errors.Is(err, ErrStopped) {
		t.Errorf("the judging went on: %v", err)
	}
}

// Equal items are found by hashes that neither joined texts nor nesting upset.
func TestUniqueItems(t *testing.T) {
	s := mustCompile(t, `{"uniqueItems":true,"items":{"$ref":"#"}}`)
	for text, fits := range map[string]bool{
		`[1,2]`: true, `[1,1.0]`: false, `[0,-0]`: false, `[{"a":1,"b":2},{"b":2,"a":1}]`: false, `[["a","b"],["ab"],["a"],["b","a"]]`: true, `[[[1,2],[1,2]]]`: false,
		`["a","\u0061"]`: false, `[null,false,0,"",[],{}]`: true, `[1,true]`: true, `["1",1]`: true,
	} {
		if found, err := s.Check([]byte(text), nil); err != nil || (len(found) == 0) != fits {
			t.Errorf("%s: %v %v", text, found, err)
		}
	}
	var items []string
	for i := range 50000 {
		items = append(items, strings.ReplaceAll(fmt.Sprintf(`["%b"]`, i), "0", `\u0004`))
	}
	if n, fits := steps(t, s, "["+strings.Join(items, ",")+"]"); !fits || n > 2000 {
		t.Errorf("fits %v after %d thousand steps", fits, n)
	}
}

// A refusal is small, and costs little, however much is wrong.
func TestRefusalsAreBounded(t *testing.T) {
	long := strings.Repeat("b", 1<<20)
	for _, c := range [][2]string{
		{`{"items":{"$ref":"#"},"type":["array","string"]}`, strings.Repeat("[", 2000) + strings.Repeat("1,", 4000) + "1" + strings.Repeat("]", 2000)},
		{`{"items":{"type":"string"}}`, "[" + strings.Repeat("1,", 50000) + "1]"},
		{`{"additionalProperties":{"pattern":"^a*$"}}`, `{"t":"` + long + `"}`},
		{`{"additionalProperties":{"type":"string"}}`, `{"1` + long + `":1,"2` + long + `":1}`},
		{`{"additionalProperties":false}`, `{"1` + long + `":1,"2` + long + `":1}`},
		{`{"propertyNames":{"maxLength":1}}`, `{"1` + long + `":1,"2` + long + `":1}`},
		{`{"propertyNames":{"pattern":"^a$"}}`, `{"` + strings.Repeat(`\u0001`, 1<<16) + `":1}`},
		{`{"contains":{"type":"string"}}`, "[" + strings.Repeat("1,", 50000) + "1]"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found, err := mustCompile(t, c[0]).Check([]byte(c[1]), nil)
		runtime.ReadMemStats(&after)
		text, _ := json.Marshal(found)
		if err != nil || len(found) == 0 || len(text) > 48<<10 {
			t.Errorf("%s: %d violations, %d bytes, %v", c[0], len(found), len(text), err)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 48<<20 {
			t.Errorf("%s: %d bytes were allocated", c[0], cost)
		}
	}
}

// What is judged at one time is counted.
func TestMemoryBudget(t *testing.T) {
	if !reserve(maxMemory + 1) {
		t.Fatal("a text that is larger than the budget is refused while nothing else is judged")
	}
	if _, err := mustCompile(t, `{"not":{"type":"array"}}`).Check([]byte("["+strings.Repeat("1,", 10000)+"1]"), nil); !errors.Is(err, ErrBusy) {
		t.Errorf("more than the budget was taken: %v", err)
	}
	release(maxMemory + 1)
	if used.Load() != 0 {
		t.Errorf("%d bytes are counted after the end", used.Load())
	}
}

// Numbers are judged as the double that is read.
func TestDoubles(t *testing.T) {
	for _, c := range []struct {
		schema, text string
		fits         bool
	}{
		{`{"exclusiveMaximum":1}`, `0.99999999999999999999`, false}, {`{"not":{"const":0}}`, `1e-400`, false}, {`{"type":"integer"}`, `0.99999999999999999999`, true},
		{`{"const":9007199254740993}`, `9007199254740992`, true}, {`{"multipleOf":0.01}`, `0.07`, true}, {`{"multipleOf":0.1}`, `0.35`, false}, {`{"type":"number"}`, `1e400`, false}, {`{"maximum":1e300}`, `1e301`, false},
	} {
		if found, err := mustCompile(t, c.schema).Check([]byte(c.text), nil); err != nil || (len(found) == 0) != c.fits {
			t.Errorf("%s %s: %v %v", c.schema, c.text, found, err)
		}
	}
	for _, text := range []string{`{"minimum":1e-99999999}`, `{"minimum":1e400}`, `{"type":"string","type":"number"}`, `{"const":"\ud800"}`, `1`, `{"type":"nope"}`, `{"pattern":"("}`, `{"$ref":"file:///etc/passwd"}`} {
		if _, err := Compile([]byte(text)); err == nil {
			t.Errorf("%s is a schema", text)
		}
	}
}
