// Package schema judges JSON texts by JSON Schemas (2020-12). A text is judged in place,
// with an index of 12 bytes a value, and in time that grows no faster than n·log n with
// its size.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/alkdev/alknet/go/internal/ecmascript"
	"github.com/alkdev/alknet/go/internal/strictjson"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	root     *rule
	rules    int  // how many there are
	targets  int  // of them are reached by a reference
	scoped   bool // what a dynamic reference leads to depends on the way to it
	hashed   bool // values are compared as wholes
}

// Compiled returns what the schema was made of.
func (s *Schema) Compiled() *jsonschema.Schema { return s.compiled }

// refuseLoader keeps a schema from naming files and addresses: compiling must not
// make the node read anything.
type refuseLoader struct{}

func (refuseLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("$ref to %.80q: a schema may only refer to itself", url)
}

const (
	location = "mem:///schema.json"
	draft    = "https://json-schema.org/draft/2020-12/schema"
)

// Compile makes a schema of its text. One that accepts everything is nil.
func Compile(text []byte) (*Schema, error) {
	document, err := strictjson.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := smallNumbers(document); err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	named := draft
	switch doc := doc.(type) {
	case map[string]any:
		if url, ok := doc["$schema"].(string); ok {
			named = url
		}
	case bool:
		if doc {
			return nil, nil
		}
	default:
		return nil, errors.New("want an object or a boolean")
	}
	// The library's validator, which would judge the schema by its metaschema, takes
	// quadratic time for some: what is wrong is found before it.
	if meta := metaschema(named); meta != nil {
		found, err := meta.judge(document, nil)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return nil, fmt.Errorf("at %q %s", found[0].Pointer, found[0].Message)
		}
	}
	return compile(doc)
}

func compile(doc any) (*Schema, error) {
	compiler := newCompiler()
	if err := compiler.AddResource(location, doc); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(location)
	if err != nil {
		return nil, err
	}
	return build(compiled)
}

func newCompiler() *jsonschema.Compiler {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(refuseLoader{})
	compiler.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) {
		return ecmascript.Compile(text)
	})
	return compiler
}

var metaschemas sync.Map // URL -> *Schema; only of drafts that the library knows

// metaschema returns the schema of the schemas of a draft, or nil.
func metaschema(url string) *Schema {
	switch url {
	case draft, "https://json-schema.org/draft/2019-09/schema", "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-07/schema",
		"http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-06/schema", "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-04/schema":
	default:
		return nil
	}
	if known, ok := metaschemas.Load(url); ok {
		return known.(*Schema)
	}
	compiled, err := newCompiler().Compile(url)
	if err != nil {
		panic("schema: metaschema: " + err.Error()) // a defect of this package
	}
	meta, err := build(compiled)
	if err != nil {
		panic("schema: metaschema: " + err.Error())
	}
	metaschemas.Store(url, meta)
	return meta
}

// smallNumbers refuses numbers in a schema that are no double but 0: the library makes
// exact fractions of them, of any size.
func smallNumbers(d *strictjson.Document) error {
	for i := range d.Len() {
		if d.Kind(i) == strictjson.Number && d.Float(i) == 0 && tiny(d.Number(i)) {
			return errors.New("a number is too small for a double")
		}
	}
	return nil
}

// tiny reports whether a number that reads as 0 has digits before its exponent.
func tiny(text []byte) bool {
	mantissa, _, _ := bytes.Cut(bytes.ToLower(text), []byte("e"))
	return bytes.ContainsAny(mantissa, "123456789")
}

// Violation says what is wrong with a text, and where.
type Violation struct {
	Pointer string `json:"pointer"` // JSON pointer into the value
	Message string `json:"message"`
}

var (
	// ErrBusy is the error when the texts that are judged now take too much memory.
	ErrBusy = errors.New("too many large values are being checked: try again later")
	// ErrWork is the error for a text that takes too much work.
	ErrWork = errors.New("the value takes too much work to check against its schema")
	// ErrStopped is the error when the judgement was given up.
	ErrStopped = errors.New("the check was stopped")
)

// Check judges a text. It returns the violations, or none when the text fits; the error
// is ErrBusy, ErrWork or ErrStopped. stop, which may be nil, is asked now and then
// whether the answer is still wanted.
func (s *Schema) Check(text []byte, stop func() bool) ([]Violation, error) {
	if s == nil {
		return nil, nil
	}
	size, err := strictjson.Measure(text)
	if err != nil {
		return []Violation{{"", "cannot be read: " + err.Error()}}, nil
	}
	total := size + s.beside(size/strictjson.NodeSize)
	if !reserve(total) {
		return nil, ErrBusy
	}
	defer release(total)
	return s.judge(strictjson.Index(text, size), stop)
}

// beside is how much judging keeps beside the index of n values.
func (s *Schema) beside(n int) int {
	kept := min(s.targets, maxMemo) * (n/4 + 1)
	if s.hashed {
		kept += (8 + 16) * n // hashes, and the items of one array in their order
	}
	return kept
}

// constant is a value of a schema.
type constant struct {
	document *strictjson.Document
	hash     uint64
}

func newConstant(value any) (*constant, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	d, err := strictjson.Parse(text)
	if err != nil {
		return nil, err
	}
	return &constant{d, hashes(d)[0]}, nil
}
