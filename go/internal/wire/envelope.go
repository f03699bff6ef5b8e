package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"
)

// MaxID is the longest id an envelope may carry, in bytes of its decoded text.
const MaxID = 128

// Envelope is one event of the call protocol.
type Envelope struct {
	Type string
	ID   string
	// Payload is the member's raw JSON text as it came, numbers and spacing
	// untouched. It is a part of the body that was parsed, not a copy.
	Payload []byte
}

// ParseEnvelope reads the body of a frame: one JSON object with the members
// type, id and payload, each exactly once; other members are ignored. The
// payload is checked to be well-formed but not decoded. Every error is a
// *ProtocolError. It is safe for concurrent use.
func ParseEnvelope(body []byte) (Envelope, error) {
	var env Envelope
	if !utf8.Valid(body) {
		return env, protocolError(ClassUTF8, "the frame is not valid UTF-8")
	}
	s := scanner{data: body}
	s.skipSpace()
	if s.pos >= len(body) || body[s.pos] != '{' {
		if s.value() {
			return env, protocolError(ClassShape, "the frame is not a JSON object")
		}
		return env, protocolError(ClassJSON, "the frame is not JSON")
	}
	var seenType, seenID bool
	var badMember *ProtocolError
	err := members(body, &s, func(name, value []byte) *ProtocolError {
		switch string(name) {
		case "type":
			if seenType {
				return protocolError(ClassJSON, `the member "type" occurs twice`)
			}
			seenType = true
			text, ok := text(value)
			if !ok && badMember == nil {
				badMember = protocolError(ClassShape, `the member "type" is not a string of Unicode text`)
			}
			env.Type = text
		case "id":
			if seenID {
				return protocolError(ClassJSON, `the member "id" occurs twice`)
			}
			seenID = true
			text, ok := text(value)
			if !ok && badMember == nil {
				badMember = protocolError(ClassShape, `the member "id" is not a string of Unicode text`)
			}
			if ok && badMember == nil {
				badMember = checkID(text)
			}
			env.ID = text
		case "payload":
			if env.Payload != nil {
				return protocolError(ClassJSON, `the member "payload" occurs twice`)
			}
			env.Payload = value
		}
		return nil
	})
	if err != nil {
		if s.deep {
			err = protocolError(ClassJSON, "the frame has more than 512 levels of JSON")
		}
		return Envelope{}, err
	}
	s.skipSpace()
	switch {
	case s.pos != len(body):
		err = protocolError(ClassJSON, "the frame has bytes after its JSON object")
	case badMember != nil:
		err = badMember
	case !seenType:
		err = protocolError(ClassShape, `the member "type" is missing`)
	case !seenID:
		err = protocolError(ClassShape, `the member "id" is missing`)
	case env.Payload == nil:
		err = protocolError(ClassShape, `the member "payload" is missing`)
	}
	if err != nil {
		return Envelope{}, err
	}
	return env, nil
}

// checkID says what is wrong with an id: it is "", for the session, or at most MaxID
// visible characters of ASCII, which no log or terminal misreads.
func checkID(id string) *ProtocolError {
	if len(id) > MaxID {
		return protocolError(ClassShape, "the id is longer than 128 bytes")
	}
	for i := range len(id) {
		if id[i] < 0x21 || id[i] > 0x7e {
			return protocolError(ClassShape, "the id has other characters than %x21-7E")
		}
	}
	return nil
}

// Members calls visit for each member of the JSON object text, in order, with
// the member's decoded name and its raw value; both are valid only as long as
// text is. It reports whether text is an object, whole and well-formed. A name
// that occurs twice is visited twice.
func Members(text []byte, visit func(name, value []byte)) bool {
	s := scanner{data: text}
	s.skipSpace()
	if s.pos >= len(text) || text[s.pos] != '{' {
		return false
	}
	err := members(text, &s, func(name, value []byte) *ProtocolError {
		visit(name, value)
		return nil
	})
	s.skipSpace()
	return err == nil && s.pos == len(text)
}

// Items calls visit for each element of the JSON array text, in order, with its raw
// value, which is valid only as long as text is. It reports whether text is an array,
// whole and well-formed.
func Items(text []byte, visit func(value []byte)) bool {
	s := scanner{data: text}
	s.skipSpace()
	if s.pos >= len(text) || text[s.pos] != '[' {
		return false
	}
	s.pos++
	s.skipSpace()
	more := s.pos >= len(text) || text[s.pos] != ']'
	if !more {
		s.pos++
	}
	for more {
		s.skipSpace()
		from := s.pos
		if !s.value() {
			return false
		}
		visit(text[from:s.pos])
		s.skipSpace()
		if s.pos >= len(text) || text[s.pos] != ',' && text[s.pos] != ']' {
			return false
		}
		more = text[s.pos] == ','
		s.pos++
	}
	s.skipSpace()
	return s.pos == len(text)
}

func members(text []byte, s *scanner, visit func(name, value []byte) *ProtocolError) error {
	notJSON := protocolErrorNotJSON
	s.pos++ // '{'
	s.skipSpace()
	if s.pos < len(text) && text[s.pos] == '}' {
		s.pos++
		return nil
	}
	for {
		s.skipSpace()
		from := s.pos
		if !s.memberName() {
			return notJSON
		}
		name := nameOf(text[from:s.pos])
		s.skipSpace()
		from = s.pos
		if !s.value() {
			return notJSON
		}
		if err := visit(name, text[from:s.pos]); err != nil {
			return err
		}
		s.skipSpace()
		if s.pos >= len(text) {
			return notJSON
		}
		c := text[s.pos]
		s.pos++
		if c == '}' {
			return nil
		}
		if c != ',' {
			return notJSON
		}
	}
}

// nameOf decodes a scanned member name, which ends in its colon.
func nameOf(raw []byte) []byte {
	raw = raw[:bytes.LastIndexByte(raw, '"')+1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var decoded string
	_ = json.Unmarshal(raw, &decoded) // the scanner has seen that it is a string
	return []byte(decoded)
}

// Text decodes a raw JSON string and reports whether raw is one and Unicode text: a
// lone surrogate has no UTF-8, and two texts that differ in one would be the same. Only
// a string with escapes goes through encoding/json.
func Text(raw []byte) (string, bool) { return text(raw) }

func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return known(raw[1 : len(raw)-1]), true
	}
	if loneSurrogate(raw) {
		return "", false
	}
	var decoded string
	if err := json.Unmarshal(raw, &decoded); err != nil {
		return "", false
	}
	return decoded, true
}

// AppendEnvelope appends the whole frame of an envelope to dst: the length, then
// the members in the order type, id, payload. The payload is copied as it is and
// must be a JSON value. The caller keeps the frame within the peer's limit.
func AppendEnvelope(dst []byte, typ, id string, payload []byte) []byte {
	from := len(dst)
	dst = append(BeginEnvelope(dst, typ, id), payload...)
	return EndEnvelope(dst, from)
}

// BeginEnvelope appends a frame up to its payload, which the caller appends next
// before it calls EndEnvelope with the length that dst had before.
func BeginEnvelope(dst []byte, typ, id string) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, `{"type":`...)
	dst = AppendText(dst, typ)
	dst = append(dst, `,"id":`...)
	dst = AppendText(dst, id)
	return append(dst, `,"payload":`...)
}

// EndEnvelope completes the frame that begins at from and ends with its payload.
func EndEnvelope(dst []byte, from int) []byte {
	dst = append(dst, '}')
	binary.BigEndian.PutUint32(dst[from:], uint32(len(dst)-from-HeaderSize))
	return dst
}
