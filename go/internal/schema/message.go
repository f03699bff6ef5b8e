package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/strictjson"
)

// What one bad value can make the node answer.
const (
	maxViolations = 32
	maxAnswer     = 32 << 10 // bytes of all of them
	maxPointer    = 512      // bytes
	maxQuoted     = 80       // characters of a value, a name or a segment
	maxNames      = 8        // that a message lists
)

func (j *judgement) full() bool {
	return j.err != nil || len(j.found) >= maxViolations || j.size >= maxAnswer
}

// tell notes a violation at the value that is judged.
func (j *judgement) tell(text string) {
	if j.full() {
		return
	}
	v := Violation{j.pointer(), text}
	encoded, _ := json.Marshal(v) // two strings: it does not fail
	if j.size += len(encoded); j.size < maxAnswer || len(j.found) == 0 {
		j.found = append(j.found, v)
	}
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// pointer makes the JSON pointer (RFC 6901) of the value that is judged. A long one is cut.
func (j *judgement) pointer() string {
	var b strings.Builder
	for _, s := range j.path {
		if b.Len() > maxPointer {
			b.WriteString("/…")
			break
		}
		b.WriteByte('/')
		if s.name < 0 {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(escapePointer.Replace(cut(j.d.Bytes(s.name))))
		}
	}
	return b.String()
}

// cut gives text, or its beginning.
func cut(text []byte) string {
	n := 0
	for i := 0; i < len(text); n++ {
		if n == maxQuoted {
			return string(text[:i]) + "…"
		}
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	return string(text)
}

func quote(text []byte) string {
	s := strconv.Quote(cut(text))
	s = strings.ReplaceAll(strings.ReplaceAll(s, `\"`, `"`), `'`, `\'`)
	return "'" + s[1:len(s)-1] + "'"
}

func quoteList(names []string) string {
	return quoteSome(names[:min(len(names), maxNames)], len(names))
}

// quoteSome lists some of the names.
func quoteSome(names []string, all int) string {
	var out []string
	for _, name := range names {
		out = append(out, quote([]byte(name)))
	}
	if all > len(names) {
		out = append(out, fmt.Sprintf("and %d more", all-len(names)))
	}
	return strings.Join(out, ", ")
}

func missingText(names []string) string {
	if len(names) == 1 {
		return "missing property " + quoteList(names)
	}
	return "missing properties " + quoteList(names)
}

func bounds(keyword string, got, want int) string {
	return fmt.Sprintf("%s: got %d, want %d", keyword, got, want)
}

func float(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

func display(value any) string {
	switch v := value.(type) {
	case string:
		return quote([]byte(v))
	case nil:
		return "null"
	}
	return cut(fmt.Append(nil, value))
}

func primitive(value any) bool {
	switch value.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}

func constText(value any) string {
	if !primitive(value) {
		return "'const' failed"
	}
	return "value must be " + display(value)
}

func enumText(values []any) string {
	var out []string
	for _, value := range values {
		if !primitive(value) {
			return "'enum' failed"
		}
		if len(out) == maxNames {
			return fmt.Sprintf("value must be one of %s, and %d more", strings.Join(out, ", "), len(values)-len(out))
		}
		out = append(out, display(value))
	}
	if len(out) == 1 {
		return "value must be " + out[0]
	}
	return "value must be one of " + strings.Join(out, ", ")
}

// typeText says of which type a value is.
func typeText(d *strictjson.Document, i int, want []string) string {
	got := [...]string{"null", "boolean", "boolean", "number", "string", "array", "object"}[d.Kind(i)]
	return "got " + got + ", want " + strings.Join(want, " or ")
}
