package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, text := range []string{
		`{}`, ` [ ] `, `{"a":1,"b":{"a":1}}`, `[{"a":1},{"a":1}]`, `"\ud83d\ude00"`, `1e308`, `1e-400`, `-0`, `{"":0," ":1}`, `"\\\""`,
		`{"a":[],"A":[]}`, strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), `{"A":1,"a":2}`,
	} {
		if err := Check([]byte(text)); err != nil {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		`{"a":1,"a":2}`: "twice", `{"a":1,"\u0061":1}`: "twice", `[{"x":{"é":1,"b":0,"\u00e9":1}}]`: "twice",
		`"\ud800"`: "surrogate", `"\udc00"`: "surrogate", `"\ud800\u0041"`: "surrogate", `{"\ud800":1}`: "surrogate", `"\ud800x"`: "surrogate",
		`1e309`: "double", `-1e400`: "double", `[` + strings.Repeat("9", 400) + `]`: "double",
		"\"\xff\"": "UTF-8", `1 2`: "more than one", `{} ,`: "more than one",
		``: "JSON", `{`: "JSON", `[1,]`: "JSON", `{"a"}`: "JSON", `{"a":1,}`: "JSON", `[1}`: "JSON", `01`: "more than one", `1.`: "JSON", `+1`: "JSON", `nul`: "JSON", "\"\n\"": "JSON", `"\x"`: "JSON", `"\u12"`: "JSON",
		strings.Repeat("[", MaxDepth+1): "deep",
	} {
		if err := Check([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}

func TestNamesMatchExactly(t *testing.T) {
	type inner struct {
		Path string `json:"path"`
		At   *time.Time
	}
	type outer struct {
		inner
		Name string           `json:"name"`
		List []inner          `json:"list"`
		By   map[string]inner `json:"by"`
		Raw  json.RawMessage  `json:"raw"`
		Next *inner           `json:"next"`
		N    int
	}
	var got outer
	text := `{"NAME":"x","name":"a","Path":"x","path":"p","list":[{"PATH":"x"},{"path":"q"}],"by":{"k":{"path":"r","pAth":"x"}},"raw":{"A":1},"next":{"path":"s"},"n":3,"N":4}`
	if err := Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := outer{inner{Path: "p"}, "a", []inner{{}, {Path: "q"}}, map[string]inner{"k": {Path: "r"}}, json.RawMessage(`{"A":1}`), &inner{Path: "s"}, 3}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if err := UnmarshalKnown([]byte(`{"list":[{"Path":"x"}]}`), &got); err == nil || !strings.Contains(err.Error(), "Path") {
		t.Errorf("a member that is not known: %v", err)
	}
	if err := UnmarshalKnown([]byte(`{"name":"a","list":[{"path":"x"}]}`), &got); err != nil {
		t.Error(err)
	}
	for _, text := range []string{`{"name":1}`, `[]`, `"x"`, `{"list":{}}`, `{"next":[]}`, `{"name":"a","name":"a"}`} {
		if err := Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s was decoded", text)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		text, pointer, want string
		ok                  bool
	}{
		{`{"id":"x"}`, "/id", "x", true}, {` { "a" : [ 1 , { "\u0062/~" : "\u0078" } ] } `, "/a/1/b~1~0", "x", true}, {`{"":"x"}`, "/", "x", true},
		{`{"a":{"":"x"}}`, "/a/", "x", true}, {`["x"]`, "/0", "x", true}, {`["x"]`, "/00", "", false}, {`["x"]`, "/+0", "", false}, {`["x"]`, "/1", "", false},
		{`{"id":1}`, "/id", "", false}, {`{"ID":"x"}`, "/id", "", false}, {`"x"`, "/id", "", false}, {`{"a":[[],{"b":1}],"id":"x"}`, "/id", "x", true},
	} {
		if got, ok, err := Lookup([]byte(c.text), c.pointer); got != c.want || ok != c.ok || err != nil {
			t.Errorf("%s %s: %q %v %v", c.text, c.pointer, got, ok, err)
		}
	}
	if _, _, err := Lookup([]byte(`{"id":"x","more":{"a":1,"a":2}}`), "/id"); err == nil {
		t.Error("a name that is there twice was taken")
	}
}

func TestDocument(t *testing.T) {
	d, err := Parse([]byte(` {"a" : [1, -0, "x\u0041\n"], "b":{}, "c":null} `))
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 10 || d.Kind(0) != Object || d.Count(0) != 3 || d.Next(0) != 10 || d.Kind(2) != Array || d.Count(2) != 3 || d.Next(2) != 6 {
		t.Fatalf("%+v", d.nodes)
	}
	if string(d.Bytes(1)) != "a" || d.Float(3) != 1 || string(d.Bytes(5)) != "xA\n" || d.Kind(9) != Null {
		t.Fatalf("%+v", d.nodes)
	}
}

// Time grows with the size of the text, whatever is in it.
func TestCheckIsNotQuadratic(t *testing.T) {
	cost := func(text string) time.Duration {
		began := time.Now()
		d, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if d.Kind(0) == String {
			_ = d.Bytes(0)
		}
		return time.Since(began)
	}
	for name, text := range map[string]string{"escapes": `"` + strings.Repeat(`\\`, 1<<20) + `"`, "deep": strings.Repeat("[", 9999) + strings.Repeat(`{},`, 1<<19) + "1" + strings.Repeat("]", 9999)} {
		if took := cost(text); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// What is accepted encoding/json reads too, as the same value.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[true,null,"\ud83d\ude00"]}`, `{"a":1,"a":2}`, `"\ud800"`, `1e309`, "\"\xff\"", `{"a":{"\u0061":[{}]}}`, `1 2`, `-0.5e-7`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Check(text)
		var want any
		if jsonErr := json.Unmarshal(text, &want); (jsonErr != nil) && err == nil {
			t.Fatalf("%q is accepted: %v", text, jsonErr)
		}
		if err != nil {
			return
		}
		d, err := Parse(text)
		if err != nil || d.Len() != cap(d.nodes) || d.Next(0) != d.Len() {
			t.Fatalf("%q: %v %+v", text, err, d)
		}
		if got, _ := value(d, 0); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, want %#v", text, got, want)
		}
		var strict any
		if err := Unmarshal(text, &strict); err != nil || !reflect.DeepEqual(strict, want) {
			t.Fatalf("%q: %v %#v, want %#v", text, err, strict, want)
		}
	})
}

func value(d *Document, i int) (any, int) {
	switch d.Kind(i) {
	case True, False:
		return d.Kind(i) == True, i + 1
	case Number:
		return d.Float(i), i + 1
	case String:
		return string(d.Bytes(i)), i + 1
	case Array:
		list := []any{}
		for j := i + 1; j < d.Next(i); {
			var v any
			v, j = value(d, j)
			list = append(list, v)
		}
		return list, d.Next(i)
	case Object:
		object := map[string]any{}
		for j := i + 1; j < d.Next(i); {
			name := string(d.Bytes(j))
			object[name], j = value(d, j+1)
		}
		if len(object) != d.Count(i) {
			panic("count")
		}
		return object, d.Next(i)
	}
	return nil, i + 1
}
