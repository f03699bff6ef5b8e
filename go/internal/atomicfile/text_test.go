package atomicfile

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]struct {
		text, reason string
		line         int
	}{
		"a\tb\r\nc\n":                     {"a\tb\r\nc\n", "", 0},
		"\ufeffa":                         {"a", "", 0},
		"\xff\xfea\x00":                   {"", "UTF-16", 0},
		"\xfe\xff\x00a":                   {"", "UTF-16", 0},
		"a\x00b\x00":                      {"", "UTF-16", 0},
		"one\ntwo\x00":                    {"", "NUL", 2},
		"one\rtwo\n":                      {"", "carriage return", 1},
		"one\n\ntwo\r":                    {"", "carriage return", 3},
		"one\ntwo\x1b[31m":                {"", "U+001B", 2},
		"one\ntwo\u0085":                  {"", "U+0085", 2},
		"\x7f":                            {"", "U+007F", 1},
		"one\n\xff":                       {"", "not UTF-8", 2},
		"\ufeff" + strings.Repeat("ä", 9): {strings.Repeat("ä", 9), "", 0},
	} {
		text, err := Text([]byte(in))
		var bad *TextError
		switch {
		case want.reason == "" && (err != nil || string(text) != want.text):
			t.Errorf("%q: %q, %v", in, text, err)
		case want.reason != "" && (!errors.As(err, &bad) || bad.Line != want.line || !strings.Contains(bad.Reason, want.reason)):
			t.Errorf("%q: %v, want %q in line %d", in, err, want.reason, want.line)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\ufeffa\r\nb"))
	f.Add([]byte{0xff, 0xfe, 'a', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := Text(data)
		if err != nil {
			return
		}
		if !utf8.Valid(text) || strings.ContainsAny(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r\x00\x1b") {
			t.Errorf("%q is taken for text", data)
		}
	})
}
