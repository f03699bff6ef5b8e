package metrics

import (
	"strings"
	"testing"
)

// Values of labels come from outside: they are cut, and a terminal does not act on them.
func TestLabelsOfOthers(t *testing.T) {
	var s Set
	c := s.Counters("n_total", "help", "a")
	c.With("\x1b[31m\x00\u202e\"\\\n\u2028é").Add(1)
	c.With(strings.Repeat("x", 1<<20)).Add(1)
	text := string(s.AppendText(nil))
	if want := `a="\\u001b[31m\\u0000\\u202e\"\\\n\\u2028é"`; !strings.Contains(text, want) {
		t.Errorf("%.200s lacks %s", text, want)
	}
	if len(text) > 4096 {
		t.Errorf("the text has %d bytes", len(text))
	}
}
