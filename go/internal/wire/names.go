package wire

import "bytes"

// Names finds names that occur twice in an object (RFC 7493, section 2.3). The zero
// value holds none. Up to eight names cost no allocation.
type Names struct {
	few  [8][]byte // decoded, parts of the text
	n    int
	many map[string]struct{}
}

// Add reports whether name is new. It keeps name, which must not be changed.
func (s *Names) Add(name []byte) bool {
	if s.many != nil {
		_, known := s.many[string(name)]
		s.many[string(name)] = struct{}{}
		return !known
	}
	for _, other := range s.few[:s.n] {
		if bytes.Equal(other, name) {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	s.many = map[string]struct{}{string(name): {}}
	for _, other := range s.few {
		s.many[string(other)] = struct{}{}
	}
	return true
}
