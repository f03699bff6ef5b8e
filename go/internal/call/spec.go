package call

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The types of operations.
const (
	TypeQuery        = "query"        // reads; may be retried
	TypeMutation     = "mutation"     // changes something
	TypeSubscription = "subscription" // answers with any number of events
)

// The visibilities of operations.
const (
	VisibilityExternal = "external" // may be called from outside
	VisibilityInternal = "internal" // may only be composed; from outside it does not exist
)

// OperationSpec describes an operation. It is data: it can be listed, forwarded
// and stored without the handler.
type OperationSpec struct {
	Name          string                     `json:"name"` // "/ns/op"
	Type          string                     `json:"type"` // TypeQuery, TypeMutation or TypeSubscription; "" means TypeQuery
	Description   string                     `json:"description,omitempty"`
	Version       string                     `json:"version,omitempty"`
	InputSchema   json.RawMessage            `json:"inputSchema,omitempty"`  // JSON Schema 2020-12; absent: any input
	OutputSchema  json.RawMessage            `json:"outputSchema,omitempty"` // JSON Schema 2020-12; absent: any output
	ErrorSchemas  map[string]json.RawMessage `json:"errorSchemas,omitempty"` // code -> schema of its details
	AccessControl AccessControl              `json:"accessControl"`
	Visibility    string                     `json:"visibility,omitempty"` // VisibilityExternal or VisibilityInternal; "" means VisibilityExternal
	Tags          []string                   `json:"tags,omitempty"`
}

// AccessControl says who may call an operation. The zero value lets everyone.
type AccessControl struct {
	RequiredScopes    []string `json:"requiredScopes,omitempty"`    // all of them
	RequiredScopesAny []string `json:"requiredScopesAny,omitempty"` // one of them
	ResourceType      string   `json:"resourceType,omitempty"`
	ResourceAction    string   `json:"resourceAction,omitempty"`
	// ResourceIDPath is a JSON pointer (RFC 6901) to the input's member that holds
	// the resource's id; required with ResourceType.
	ResourceIDPath string `json:"resourceIdPath,omitempty"`
}

// maxName bounds an operation's name, in bytes.
const maxName = 256

// CheckName reports why name is not an operation's name, or nil.
func CheckName(name string) error {
	if !isName(name) {
		return fmt.Errorf("operation name %.80q: want /namespace/operation, each part of letters, digits, '_', '.' and '-'", name)
	}
	return nil
}

// isName reports whether name is at most maxName bytes of /part/part…, each part
// [A-Za-z0-9][A-Za-z0-9_.-]*.
func isName(name string) bool {
	if len(name) > maxName || len(name) == 0 || name[0] != '/' {
		return false
	}
	parts, first := 0, false
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '/':
			if first { // the part before is empty
				return false
			}
			parts, first = parts+1, true
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			first = false
		case first || c != '_' && c != '.' && c != '-':
			return false
		}
	}
	return parts >= 2 && !first
}

// Namespace returns what invoke takes as the namespace: the name without its first
// slash and its last part, "dev1/fs" of "/dev1/fs/read".
func (s *OperationSpec) Namespace() string { return namespaceOf(s.Name) }

// FirstPart returns the first part of the operation's name.
func (s *OperationSpec) FirstPart() string {
	first, _, _ := strings.Cut(strings.TrimPrefix(s.Name, "/"), "/")
	return first
}

func namespaceOf(name string) string {
	return strings.TrimPrefix(name[:max(0, strings.LastIndexByte(name, '/'))], "/")
}

// normalize fills in defaults and reports the first thing that is wrong.
func (s *OperationSpec) normalize() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	if s.Type == "" {
		s.Type = TypeQuery
	}
	if s.Type != TypeQuery && s.Type != TypeMutation && s.Type != TypeSubscription {
		return fmt.Errorf("operation %s: type %q: want query, mutation or subscription", s.Name, s.Type)
	}
	if s.Visibility == "" {
		s.Visibility = VisibilityExternal
	}
	if s.Visibility != VisibilityExternal && s.Visibility != VisibilityInternal {
		return fmt.Errorf("operation %s: visibility %q: want external or internal", s.Name, s.Visibility)
	}
	for code := range s.ErrorSchemas {
		if !isCode(code) {
			return fmt.Errorf("operation %s: error code %q: want at most 64 upper case letters, digits and '_'", s.Name, code)
		}
	}
	access := &s.AccessControl
	for _, scope := range append(append([]string(nil), access.RequiredScopes...), access.RequiredScopesAny...) {
		if scope == "" {
			return fmt.Errorf("operation %s: accessControl names an empty scope", s.Name)
		}
	}
	if (access.ResourceType == "") != (access.ResourceIDPath == "") {
		return fmt.Errorf("operation %s: accessControl needs resourceType and resourceIdPath together", s.Name)
	}
	if p := access.ResourceIDPath; p != "" && !strings.HasPrefix(p, "/") {
		return fmt.Errorf("operation %s: resourceIdPath %q: want a JSON pointer such as /project", s.Name, p)
	}
	return nil
}
