package node

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// strictBase64 is bytes of an input, in standard base64 with its padding and unused
// bits zero (RFC 4648, sections 3.5 and 4).
type strictBase64 []byte

var errBase64 = errors.New("not standard base64")

// UnmarshalJSON decodes without a string in between, which could not be wiped,
// unless the sender escaped what needs no escaping.
func (b *strictBase64) UnmarshalJSON(text []byte) error {
	if len(text) < 2 || text[0] != '"' {
		return errBase64
	}
	if bytes.IndexByte(text, '\\') < 0 {
		text = text[1 : len(text)-1]
	} else {
		var plain string
		if err := json.Unmarshal(text, &plain); err != nil || strings.ContainsAny(plain, "\r\n") {
			return errBase64 // encoding/base64 skips line ends
		}
		text = []byte(plain)
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(decoded, text)
	if err != nil {
		clear(decoded)
		return errBase64
	}
	*b = decoded[:n]
	return nil
}

// decodeSecretInput reads an input that its schema has accepted.
func decodeSecretInput(input json.RawMessage, into any) error {
	if err := strictjson.Unmarshal(input, into); err != nil {
		if errors.Is(err, errBase64) {
			return call.Errorf(call.InvalidInput, "bytes are given in standard base64, with padding")
		}
		return call.Errorf(call.InvalidInput, "the input cannot be read")
	}
	return nil
}

// checkSize refuses the few bytes that base64's rounding lets through the schema.
func checkSize(data []byte) error {
	if len(data) > MaxSecretInput {
		return call.Errorf(call.InvalidInput, "there are %d bytes, and %d are the most that is taken", len(data), MaxSecretInput)
	}
	return nil
}

// jsonWithBytes puts bytes in base64 between two pieces of JSON text.
func jsonWithBytes(before string, data []byte, after string) json.RawMessage {
	out := make([]byte, 0, len(before)+base64.StdEncoding.EncodedLen(len(data))+len(after))
	out = append(out, before...)
	out = base64.StdEncoding.AppendEncode(out, data)
	return append(out, after...)
}
