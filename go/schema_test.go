package alknet

import (
	"bytes"
	"context"
	"encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

type (
	inner   struct{ X, Y int }
	jsonKey struct {
		Renamed string `json:"re_named"`
		Skipped int    `json:"-"`
		//lint:ignore SA5008 a member that is named "-"
		Dash  int   `json:"-,"`
		Maybe *int  `json:"maybe,omitempty"`
		Zero  inner `json:"zero,omitzero"`
		//lint:ignore U1000 a field that is no member
		hidden int
	}
	embedding struct {
		inner
		Z int
	}
	named     string
	bytesType []byte
	byMethod  struct{ n int }
	byPointer struct{ n int }
	textual   struct{ n int }
	textKey   struct{ n int }
	generic   [3]struct{ V map[string][]*inner }
	recursive struct{ Next *recursive }
)

func (byMethod) MarshalJSON() ([]byte, error)      { return []byte(`[1,"x"]`), nil }
func (*byMethod) UnmarshalJSON([]byte) error       { return nil }
func (*byPointer) MarshalJSON() ([]byte, error)    { return []byte(`true`), nil }
func (textual) MarshalText() ([]byte, error)       { return []byte("text"), nil }
func (*textual) UnmarshalText([]byte) error        { return nil }
func (k textKey) MarshalText() ([]byte, error)     { return []byte("key"), nil }
func (k *textKey) UnmarshalText(text []byte) error { return nil }

// TestSchemas has the engine check what encoding/json writes for zero and filled values
// against the schema made from the type.
func TestSchemas(t *testing.T) {
	one, text := 1, "x"
	values := []any{
		true, 1, int8(-1), int16(1), int32(1), int64(1) << 62, uint(1), uint8(255), uint16(1), uint32(1), uint64(1) << 63, uintptr(1),
		float32(0.5), 1e300, "text", named("n"), &one, &text, []int{1}, []string{"a"}, [2]bool{true}, []byte("bytes"), bytesType("b"), [4]byte{1},
		map[string]int{"a": 1}, map[int]string{1: "a"}, map[textKey]bool{{1}: true}, map[string][]byte{"a": {1}}, map[string]map[string]*int{"a": {"b": &one}},
		inner{1, 2}, &inner{1, 2}, jsonKey{Renamed: "r", Maybe: &one, Zero: inner{X: 1}}, embedding{inner{1, 2}, 3}, generic{{V: map[string][]*inner{"a": {nil, {1, 2}}}}},
		json.RawMessage(`{"a":[1]}`), json.Number("1.5"), time.Unix(1, 0).UTC(), time.Second, *big.NewInt(7), big.NewInt(7), netip.MustParseAddr("192.0.2.1"), url.URL{Host: "h"},
		byMethod{1}, &byMethod{1}, byPointer{1}, &byPointer{1}, textual{1}, &textual{1}, struct{ A any }{A: []any{1, "x", nil}}, struct{ P *netip.Addr }{},
		[]time.Time{time.Unix(1, 0)}, struct{ T *time.Time }{},
	}
	if len(values) < 40 {
		t.Fatalf("%d types, want 40", len(values))
	}
	node := &Node{}
	for i, value := range values {
		kind := reflect.TypeOf(value)
		schema, err := schemaOf(kind)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		name := "/schema/t" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		if err := node.Handle(Spec{Name: name, InputSchema: schema}, func(context.Context, *Request) (any, error) { return nil, nil }); err != nil {
			t.Errorf("%s: %v: %s", kind, err, schema)
			continue
		}
		for _, v := range []any{value, reflect.Zero(kind).Interface()} {
			written, err := json.Marshal(v)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if err := validate(node, name, written); err != nil {
				t.Errorf("%s: %s does not pass %s: %v", kind, written, schema, err)
			}
		}
	}
}

func TestSchemasRefuse(t *testing.T) {
	for want, v := range map[string]any{
		"F: a func has no JSON form":   struct{ F func() }{},
		"C[]: a chan has no JSON form": struct{ C []chan int }{},
		"N: the tag option": struct {
			N int `json:",string"`
		}{},
		"contains itself":                 recursive{},
		"{}: a complex128 has no":         map[string]complex128{},
		"inner: an embedded pointer":      struct{ *inner }{},
		"a map with keys of type float64": map[float64]int{},
		"inner: an embedded field with a": struct {
			inner `json:"i"`
		}{},
	} {
		_, err := schemaOf(reflect.TypeOf(v))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: %v, want %q", v, err, want)
		}
	}
	err := Handle(&Node{}, "/a/b", func(context.Context, recursive) (int, error) { return 0, nil })
	if err == nil || !strings.Contains(err.Error(), "/a/b: input: alknet.recursive.Next: ") || !strings.Contains(err.Error(), "give alknet.InputSchema") {
		t.Errorf("a recursive input: %v", err)
	}
	if err := Handle(&Node{}, "/a/b", func(context.Context, recursive) (int, error) { return 0, nil }, InputSchema(json.RawMessage(`true`))); err != nil {
		t.Errorf("a recursive input with a schema: %v", err)
	}
}

// TestSchemasClosed shows that members which the type does not have are refused.
func TestSchemasClosed(t *testing.T) {
	node := &Node{}
	if err := Handle(node, "/a/b", func(context.Context, jsonKey) (int, error) { return 0, nil }); err != nil {
		t.Fatal(err)
	}
	for input, valid := range map[string]bool{
		`{"re_named":"a","-":1}`:                      true,
		`{"re_named":"a","-":1,"zero":{"X":1,"Y":2}}`: true,
		`{"Re_named":"a","-":1}`:                      false,
		`{"re_named":"a","-":1,"hidden":1}`:           false,
		`{"re_named":"a"}`:                            false,
		`{"re_named":null,"-":1}`:                     false,
		`null`:                                        false,
	} {
		if err := validate(node, "/a/b", []byte(input)); (err == nil) != valid {
			t.Errorf("%s: %v", input, err)
		}
	}
}

// validate calls an operation of the node without a session.
func validate(n *Node, name string, input []byte) error {
	answered := make(sink, 1)
	n.registry.Start(call.Single, name, bytes.Clone(input), &call.Options{}, nil, nil, answered)
	return <-answered
}

type sink chan error

func (s sink) Responded([]byte)  { s <- nil }
func (s sink) Event([]byte)      {}
func (s sink) Completed()        { s <- nil }
func (s sink) Failed(err *Error) { s <- err }
