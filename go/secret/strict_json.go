package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// decodeStrict reads one JSON value as map[string]any, []any, string, json.Number,
// bool or nil. encoding/json would let pass what makes one text mean two things to
// two readers: names given twice, invalid UTF-8, half surrogates, a second value.
// Objects and arrays may lie in each other to the given depth.
func decodeStrict(text []byte, depth int) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := decodeValue(decoder, depth)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

var errJSON = errors.New("not valid JSON")

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, errJSON
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == 0 {
			return nil, errors.New("objects and arrays lie too deep in each other")
		}
		if token == '{' {
			return decodeObject(decoder, depth-1)
		}
		return decodeArray(decoder, depth-1)
	case string:
		return token, checkText(token)
	}
	return token, nil
}

func decodeObject(decoder *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errJSON
		}
		if err := checkText(name); err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the member %.40q is given twice", name)
		}
		if object[name], err = decodeValue(decoder, depth); err != nil {
			return nil, err
		}
	}
	return object, endOf(decoder)
}

func decodeArray(decoder *json.Decoder, depth int) (any, error) {
	array := []any{}
	for decoder.More() {
		value, err := decodeValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	return array, endOf(decoder)
}

// endOf reads the closing bracket.
func endOf(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return errJSON
	}
	return nil
}

// checkText refuses U+FFFD: half a surrogate pair, which is no text at all, reads
// as that.
func checkText(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return errors.New("text with U+FFFD or half a surrogate pair")
	}
	return nil
}
