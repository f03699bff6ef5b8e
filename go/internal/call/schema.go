package call

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// schema is a compiled JSON Schema; nil accepts everything.
type schema struct {
	compiled *jsonschema.Schema
	shape    *shape // nil when it has none
}

// refuseLoader keeps a schema from naming files and addresses: compiling must not
// make the node read anything.
type refuseLoader struct{}

func (refuseLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("$ref to %q: a schema may only refer to itself", url)
}

func compileSchema(operation, member string, text json.RawMessage) (*schema, error) {
	if len(text) == 0 {
		return nil, nil
	}
	fail := func(err error) (*schema, error) {
		return nil, fmt.Errorf("operation %s: %s is not a JSON Schema 2020-12: %w", operation, member, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fail(err)
	}
	switch doc.(type) {
	case map[string]any, bool:
	default:
		return fail(errors.New("want an object or a boolean"))
	}
	if doc == true {
		return nil, nil
	}
	const location = "mem:///schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(refuseLoader{})
	if err := compiler.AddResource(location, doc); err != nil {
		return fail(err)
	}
	compiled, err := compiler.Compile(location)
	if err != nil {
		return fail(err)
	}
	return &schema{compiled, shapeOf(compiled)}, nil
}

// violation is one entry of an INVALID_INPUT error's details.
type violation struct {
	Pointer string `json:"pointer"` // JSON pointer into the value
	Message string `json:"message"`
}

// maxViolations bounds what one bad input can make the node answer.
const maxViolations = 32

// check validates a JSON text and returns the violations, or nil when it fits.
func (s *schema) check(text []byte) (found []violation) {
	if s == nil {
		return nil
	}
	defer func() {
		// A stranger's bytes, a library's validator: its defects are not to end the node.
		if recover() != nil {
			found = []violation{{"", "cannot be checked"}}
		}
	}()
	if s.shape != nil && s.shape.fitsObject(text) {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return []violation{{"", "cannot be read: " + err.Error()}}
	}
	if at, ok := largeNumber(value, nil); ok {
		return []violation{{pointer(at), fmt.Sprintf("the number has more than %d digits, or an exponent beyond that", maxNumber)}}
	}
	err = s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return []violation{{"", err.Error()}}
	}
	return leaves(failed, message.NewPrinter(language.English), nil)
}

// maxNumber bounds the numbers that are checked, in digits before and after the
// point: the validator works with exact fractions, in which the ten bytes of
// 1e99999999 are 40 MB. It is beyond what a double holds (1e308).
const maxNumber = 400

// largeNumber finds a number that would cost too much to check, and where it is.
func largeNumber(value any, at []string) ([]string, bool) {
	switch v := value.(type) {
	case json.Number:
		mantissa, exponent, scientific := strings.Cut(strings.ToLower(string(v)), "e")
		if len(mantissa) > maxNumber {
			return at, true
		}
		if !scientific {
			return nil, false
		}
		n, err := strconv.Atoi(exponent)
		return at, err != nil || n > maxNumber || n < -maxNumber
	case map[string]any:
		for name, member := range v {
			if found, ok := largeNumber(member, append(at, name)); ok {
				return found, true
			}
		}
	case []any:
		for i, item := range v {
			if found, ok := largeNumber(item, append(at, strconv.Itoa(i))); ok {
				return found, true
			}
		}
	}
	return nil, false
}

// leaves collects the innermost causes, which say what is wrong and where.
func leaves(e *jsonschema.ValidationError, p *message.Printer, found []violation) []violation {
	if len(e.Causes) == 0 && len(found) < maxViolations {
		return append(found, violation{pointer(e.InstanceLocation), e.ErrorKind.LocalizedString(p)})
	}
	for _, cause := range e.Causes {
		found = leaves(cause, p, found)
	}
	return found
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer makes a JSON pointer (RFC 6901).
func pointer(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(pointerEscape.Replace(s))
	}
	return b.String()
}

var pointerUnescape = strings.NewReplacer("~1", "/", "~0", "~")

// lookup follows a JSON pointer through a JSON text and returns the string found.
func lookup(text []byte, path string) (string, bool) {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return "", false
	}
	for _, segment := range strings.Split(path, "/")[1:] {
		segment = pointerUnescape.Replace(segment)
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[segment]
			if !ok {
				return "", false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(segment)
			if err != nil || i < 0 || i >= len(v) {
				return "", false
			}
			value = v[i]
		default:
			return "", false
		}
	}
	id, ok := value.(string)
	return id, ok
}
