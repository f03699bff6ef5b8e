package call

import (
	"encoding/json"
	"errors"
	"fmt"

	schemas "github.com/alkdev/alknet/go/internal/schema"
)

// schema is a compiled JSON Schema; nil accepts everything.
type schema struct {
	compiled *schemas.Schema
	shape    *shape // nil when it has none
}

func compileSchema(operation, member string, text json.RawMessage) (*schema, error) {
	if len(text) == 0 {
		return nil, nil
	}
	s, err := schemas.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("operation %s: %s is not a JSON Schema 2020-12: %w", operation, member, err)
	}
	if s == nil {
		return nil, nil
	}
	return &schema{s, shapeOf(s.Compiled())}, nil
}

// violation is one entry of an INVALID_INPUT error's details.
type violation = schemas.Violation

// check validates a JSON text. It returns the violations, or none when it fits; the
// error says why it was not judged. r, which may be nil, is the request that waits for it:
// with its end the judging stops.
func (s *schema) check(text []byte, r *Request) (found []violation, err *Error) {
	if s == nil {
		return nil, nil
	}
	defer func() {
		// A stranger's bytes: a defect here is not to end the node.
		if recover() != nil {
			found, err = []violation{{Message: "cannot be checked"}}, nil
		}
	}()
	if s.shape != nil && s.shape.fitsObject(text) {
		return nil, nil
	}
	var stop func() bool
	if r != nil {
		stop = r.hasEnded
	}
	found, failed := s.compiled.Check(text, stop)
	switch {
	case errors.Is(failed, schemas.ErrBusy):
		return nil, Errorf(ResourceExhausted, "too many large values are being checked on this node: try again later")
	case errors.Is(failed, schemas.ErrStopped):
		return nil, Errorf(Aborted, "the request ended before its value was checked")
	case failed != nil:
		return []violation{{Message: failed.Error()}}, nil
	}
	return found, nil
}
