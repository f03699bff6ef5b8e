package call

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Codes of other nodes have a code's form where they arrive, and only those that an
// operation declares are expected of it.
func TestCodesOfOthers(t *testing.T) {
	for _, code := range []string{"low", "A B", "_A", "", "É", strings.Repeat("C", 65), "A\n", "\u202eX"} {
		text, _ := json.Marshal(map[string]any{"code": code, "message": "no"})
		if got := parseError(text).Code; got != Internal {
			t.Errorf("%.20q arrives as %q", code, got)
		}
		if got := passedOn(wire.Failed, text).Code; got != Internal {
			t.Errorf("%.20q is forwarded as %q", code, got)
		}
	}
	if got := passedOn(wire.Failed, []byte(`{"code":"MINE","Code":"YOURS"}`)).Code; got != "MINE" {
		t.Errorf("the code is read as %q", got)
	}
	r := &Request{op: &operation{spec: OperationSpec{ErrorSchemas: map[string]json.RawMessage{"MINE": nil}}}}
	if !r.Expects("MINE") || !r.Expects(NotFound) || r.Expects("YOURS") {
		t.Error("other codes are expected than the protocol's and the declared ones")
	}
	if spec := (&OperationSpec{Name: "/a/b", ErrorSchemas: map[string]json.RawMessage{strings.Repeat("C", 65): nil}}); spec.normalize() == nil {
		t.Error("a code of 65 characters can be declared")
	}
}
