package wire

import "bytes"

// MaxDepth is how many arrays and objects may stand within each other in a frame, the
// envelope being the first.
const MaxDepth = 512

// valueDepth is MaxDepth for a member's value within a payload, such as an input or an
// output: the envelope and the payload stand around it.
const valueDepth = MaxDepth - 2

// TooDeep reports whether a JSON text is nested too deeply to be a member of a payload,
// so that the frame with it would end the session at the other side. Texts with few
// brackets, which are nearly all, are not walked through.
func TooDeep(text []byte) bool {
	if len(text) <= valueDepth || bytes.Count(text, []byte{'['})+bytes.Count(text, []byte{'{'}) <= valueDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			if depth++; depth > valueDepth {
				return true
			}
		case ']', '}':
			depth--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}
