package call

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// pattern matches operation names: a segment "*" stands for any one segment, "**"
// for any number of them, none included.
type pattern []string

var segmentPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func parsePattern(text string) (pattern, error) {
	if !strings.HasPrefix(text, "/") || len(text) > 2*maxName {
		return nil, fmt.Errorf("pattern %.80q: want a path such as /ns/op or /*/ns/*", text)
	}
	segments := strings.Split(text[1:], "/")
	deep := false
	for _, s := range segments {
		switch {
		case s == "**" && deep:
			return nil, fmt.Errorf(`pattern %.80q: "**" may stand in it once`, text)
		case s == "**":
			deep = true
		case s != "*" && !segmentPattern.MatchString(s):
			return nil, fmt.Errorf(`pattern %.80q: want each part to be a name, "*" or "**"`, text)
		}
	}
	return segments, nil
}

// CheckPattern reports why text is not a pattern of operation names, or nil.
func CheckPattern(text string) error {
	_, err := parsePattern(text)
	return err
}

func (p pattern) match(name string) bool {
	name = strings.TrimPrefix(name, "/")
	for i, want := range p {
		if want == "**" {
			// What follows has a fixed number of segments: compare it from the end.
			rest := p[i+1:]
			have := strings.Count(name, "/") + 1
			if name == "" {
				have = 0
			}
			for ; have > len(rest); have-- {
				_, name, _ = strings.Cut(name, "/")
			}
			return have == len(rest) && rest.match(name)
		}
		if name == "" {
			return false
		}
		segment, rest, _ := strings.Cut(name, "/")
		if want != "*" && want != segment {
			return false
		}
		name = rest
	}
	return name == ""
}

// AccessRule is one of a node's own rules: whoever calls an operation whose name the
// pattern matches needs the scopes, whatever the operation itself requires.
type AccessRule struct {
	// Path is an operation's name as callers of this node write it, with "*" for any
	// one segment and "**" for any number: /*/bash/* or /**/bash/*.
	Path string `json:"path"`
	// Scopes are needed, all of them.
	Scopes []string `json:"scopes"`
}

// rules are a node's compiled access rules.
type rules []struct {
	path   pattern
	scopes []string
}

func compileRules(list []AccessRule) (rules, error) {
	compiled := make(rules, len(list))
	for i, rule := range list {
		var err error
		if compiled[i].path, err = parsePattern(rule.Path); err != nil {
			return nil, fmt.Errorf("access rule %d: %w", i+1, err)
		}
		if len(rule.Scopes) == 0 {
			return nil, fmt.Errorf("access rule %d: %s names no scope", i+1, rule.Path)
		}
		for _, scope := range rule.Scopes {
			if scope == "" {
				return nil, fmt.Errorf("access rule %d: %w", i+1, errors.New("an empty scope"))
			}
		}
		compiled[i].scopes = rule.Scopes
	}
	return compiled, nil
}

// scopes returns what the rules want for an operation.
func (r rules) scopes(name string) []string {
	var all []string
	for _, rule := range r {
		if rule.path.match(name) {
			all = append(all, rule.scopes...)
		}
	}
	return all
}
