package strictjson

import (
	"bytes"
	"strconv"
	"strings"
)

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// Lookup follows a JSON pointer (RFC 6901) through a text, and returns the string that
// it leads to. It walks the text once more after Check, without a tree; an error is
// Check's.
func Lookup(text []byte, pointer string) (found string, ok bool, err error) {
	if err := Check(text); err != nil {
		return "", false, err
	}
	pos := skipSpace(text, 0)
	for _, segment := range strings.Split(pointer, "/")[1:] {
		if pos = child(text, pos, unescapePointer.Replace(segment)); pos < 0 {
			return "", false, nil
		}
	}
	if text[pos] != '"' {
		return "", false, nil
	}
	return string(unquoted(text, pos)), true, nil
}

// child returns where the member or the item of a container begins, or -1.
func child(text []byte, pos int, segment string) int {
	object := text[pos] == '{'
	wanted := []byte(segment)
	index := -1
	if !object {
		n, err := strconv.Atoi(segment)
		if text[pos] != '[' || err != nil || n < 0 || strconv.Itoa(n) != segment {
			return -1
		}
		index = n
	}
	pos = skipSpace(text, pos+1)
	for i := 0; text[pos] != '}' && text[pos] != ']'; i++ {
		hit := i == index
		if object {
			hit = bytes.Equal(unquoted(text, pos), wanted)
			pos = skipSpace(text, endOfString(text, pos)) + 1
			pos = skipSpace(text, pos)
		}
		if hit {
			return pos
		}
		pos = skipSpace(text, endOfValue(text, pos))
		if text[pos] == ',' {
			pos = skipSpace(text, pos+1)
		}
	}
	return -1
}

// endOfValue steps over a value of a text that was checked.
func endOfValue(text []byte, pos int) int {
	depth := 0
	for {
		switch b := text[pos]; b {
		case '{', '[':
			depth++
			pos++
		case '}', ']':
			depth--
			pos++
		case '"':
			pos = endOfString(text, pos)
		case ',', ':', ' ', '\n', '\r', '\t':
			pos++
			continue
		case 't', 'f', 'n':
			pos += len(literal(b))
		default:
			pos = endOfNumber(text, pos)
		}
		if depth == 0 {
			return pos
		}
	}
}
