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
type schema struct{ compiled *jsonschema.Schema }

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
	return &schema{compiled}, nil
}

// violation is one entry of an INVALID_INPUT error's details.
type violation struct {
	Pointer string `json:"pointer"` // JSON pointer into the value
	Message string `json:"message"`
}

// maxViolations bounds what one bad input can make the node answer.
const maxViolations = 32

// check validates a JSON text and returns the violations, or nil when it fits.
func (s *schema) check(text []byte) []violation {
	if s == nil {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return []violation{{"", "cannot be read: " + err.Error()}}
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
