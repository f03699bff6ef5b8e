package credential

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// entry is a credential as it is sealed:
//
//	{"credential":1,"service":"…","type":"…","added":"2026-01-02T03:04:05Z","fields":{"name":"…"}}
//
// There is one text for each entry: the members in this order, the fields in that of
// their names, no white space, "added" in UTC and whole seconds, and in strings only
// the escapes \" \\ \n \r \t and, for other control characters, \u00xx. Anything else
// is refused. encoding/json is not used: it would leave strings on the heap.
type entry struct {
	service string
	added   time.Time
	value   Value
}

const entryHead = `{"credential":1,"service":`

// IsEntry reports whether a plaintext is a credential as a Directory seals it, so that
// what opens sealed values for others can refuse it.
func IsEntry(plaintext []byte) bool { return bytes.HasPrefix(plaintext, []byte(entryHead)) }

// encode returns the canonical text, in one piece of memory that the caller wipes.
// Errors: INVALID_INPUT where it is larger than MaxEntry.
func (e entry) encode() ([]byte, error) {
	parts := e.value.parts()
	// Room for everything from the start: memory that grew would leave copies behind.
	room := 256 + len(e.service)
	for _, p := range parts {
		room += 8 + len(p.name) + 6*p.len()
	}
	out := make([]byte, 0, room)
	out = append(out, entryHead...)
	out = appendString(out, []byte(e.service))
	out = append(out, `,"type":`...)
	out = appendString(out, []byte(e.value.Type()))
	out = append(out, `,"added":"`...)
	out = e.added.UTC().AppendFormat(out, time.RFC3339)
	out = append(out, `","fields":{`...)
	first := true
	for _, p := range parts {
		if p.len() == 0 {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = appendString(out, []byte(p.name))
		out = append(out, ':')
		if p.secret != nil {
			out = appendString(out, p.secret.Bytes())
		} else {
			out = appendString(out, []byte(*p.text))
		}
	}
	out = append(out, '}', '}')
	if len(out) > MaxEntry {
		size := len(out)
		clear(out)
		return nil, errorf(InvalidInput, "the credential has %d bytes in all: want at most %d", size, MaxEntry)
	}
	return out, nil
}

func (p part) len() int {
	if p.secret != nil {
		return len(p.secret.Bytes())
	}
	return len(*p.text)
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string with the escapes of the canonical form.
func appendString(out, s []byte) []byte {
	out = append(out, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// errEntry is every fault of a text that was opened: what it holds may be a secret.
var errEntry = errorf(InvalidInput, "not a credential")

// decode reads a canonical text, which stays the caller's. Secrets are copied out of
// it; when it fails they are wiped.
func decode(text []byte) (e entry, err error) {
	if len(text) > MaxEntry || !utf8.Valid(text) {
		return entry{}, errEntry
	}
	r := reader{rest: text}
	r.literal(entryHead)
	service := r.text()
	r.literal(`,"type":`)
	value := newValue(Type(r.text()))
	r.literal(`,"added":`)
	added, timeErr := time.Parse(time.RFC3339, r.text())
	r.literal(`,"fields":{`)
	if r.bad || value == nil || timeErr != nil {
		return entry{}, errEntry
	}
	e = entry{service: service, added: added, value: value}
	defer func() {
		if err != nil {
			value.Wipe()
		}
	}()
	last := ""
	for n := 0; !r.has('}'); n++ {
		if n > 0 {
			r.literal(",")
		}
		name := r.text()
		r.literal(":")
		if r.bad || n == MaxFields || n > 0 && name <= last {
			return entry{}, errEntry
		}
		last = name
		if !r.field(value, name) {
			return entry{}, errEntry
		}
	}
	r.literal("}}")
	if r.bad || len(r.rest) > 0 || CheckService(service) != nil || validate(value) != nil {
		return entry{}, errEntry
	}
	// Times have several texts that mean the same, and strings more escapes than they need.
	again, err := e.encode()
	defer clear(again)
	if err != nil || !bytes.Equal(again, text) {
		return entry{}, errEntry
	}
	return e, nil
}

// field reads one field's value into the part that it is of.
func (r *reader) field(value Value, name string) bool {
	if custom, ok := value.(*Custom); ok {
		custom.Fields[name] = NewSecret(r.string())
		return !r.bad
	}
	p, ok := partOf(value, name)
	switch {
	case !ok:
		return false
	case p.secret != nil:
		*p.secret = NewSecret(r.string())
	default:
		*p.text = r.text()
	}
	return !r.bad
}

// reader takes a canonical text apart.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) literal(s string) {
	rest, ok := bytes.CutPrefix(r.rest, []byte(s))
	r.rest, r.bad = rest, r.bad || !ok
}

// has reports whether the next byte is c; where nothing can follow it is, so that
// loops end.
func (r *reader) has(c byte) bool { return r.bad || len(r.rest) == 0 || r.rest[0] == c }

// text reads a string that is no secret.
func (r *reader) text() string {
	b := r.string()
	defer clear(b)
	return string(b)
}

// string reads a string into memory of its own, which is never moved.
func (r *reader) string() []byte {
	end := -1
	if len(r.rest) > 0 && r.rest[0] == '"' {
		for i := 1; i < len(r.rest); i++ {
			if r.rest[i] == '\\' {
				i++
			} else if r.rest[i] == '"' {
				end = i
				break
			}
		}
	}
	if r.bad || end < 0 {
		r.bad = true
		return nil
	}
	raw := r.rest[1:end]
	r.rest = r.rest[end+1:]
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		if raw[0] != '\\' {
			out = append(out, raw[0])
			raw = raw[1:]
			continue
		}
		c, size := unescape(raw)
		if size == 0 {
			r.bad = true
			clear(out)
			return nil
		}
		out = append(out, c)
		raw = raw[size:]
	}
	return out
}

// unescape reads one escape; its size is 0 for one that the canonical form has not.
func unescape(raw []byte) (c byte, size int) {
	if len(raw) < 2 {
		return 0, 0
	}
	switch raw[1] {
	case '"', '\\':
		return raw[1], 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		if len(raw) >= 6 && raw[2] == '0' && raw[3] == '0' {
			high, low := strings.IndexByte(hexDigits, raw[4]), strings.IndexByte(hexDigits, raw[5])
			if high >= 0 && low >= 0 {
				return byte(high<<4 | low), 6
			}
		}
	}
	return 0, 0
}

// CheckService says whether a name can be a service's, INVALID_INPUT if not: it becomes
// the name of a file, on every system.
func CheckService(name string) error {
	ok := name != "" && len(name) <= 64 && name[0] != '.' && name[0] != '-' && name[0] != '_' && !strings.HasSuffix(name, ".")
	for _, c := range []byte(name) {
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_')
	}
	if !ok {
		return errorf(InvalidInput, "the name of a service has 1 to 64 of a-z, 0-9, '.', '-' and '_', and begins with a letter or a digit, as in github or api.example.com")
	}
	stem, _, _ := strings.Cut(name, ".")
	if slices.Contains([]string{"con", "prn", "aux", "nul"}, stem) || len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '0' && stem[3] <= '9' {
		return errorf(InvalidInput, "the name %s is a device's on some systems: choose another one", name)
	}
	return nil
}
