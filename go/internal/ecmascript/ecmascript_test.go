package ecmascript

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, good, bad string }{
		{`^(?!admin)[a-z]+$`, "bob", "admin"}, {`^(\w)\1$`, "aa", "ab"}, {`^\d{2,1200}$`, "12", "1"}, {`^[^]$`, "\n", ""}, {`^\cA$`, "\x01", "A"},
		{`^\u{1F600}$`, "😀", "x"}, {`^\ud83d\ude00$`, "😀", "x"}, {`^\p{Lu}$`, "É", "é"}, {`^\P{Lu}$`, "é", "É"}, {`^.$`, "😀", "\u2028"}, {`^\s$`, "\ufeff", "x"}, {`^a$`, "a", "a\n"},
		{`^\w$`, "_", "é"}, {`^\/[a-z]+$`, "/a", "a"}, {`^(?<q>['"]).*\k<q>$`, `"x"`, `"x'`}, {`(?<=\$)\d+$`, "$12", "€12"}, {`(?<!\$)\b\d+$`, "€12", "$12"},
		{`^(?=.*[A-Z])(?=.*\d).{8,}$`, "Passw0rd", "password"}, {`^(?:a|ab)(?:c|bcd)$`, "abcd", "abcdd"}, {`^\p{Script=Greek}+$`, "αβγ", "abc"}, {`^\p{Extended_Pictographic}$`, "😀", "1"},
		{`^(a*)*$`, "aaa", "b"}, {`^(?:(a)|b)*\1$`, "ab", "ba\x00"}, {`[]`, "", ""}, {`^[\w-]+$`, "a-b", "a.b"}, {`^a{0}$`, "", "a"}, {`\bfoo\b`, "a foo", "afoo"},
		{`^(?:(?=(a+))\1b)+$`, "aabab", "aaba"}, {`^[^\d\s]+$`, "ab", "a1"}, {`^(z)((a+)?(b+)?(c))*$`, "zaacbbbcac", "zx"},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if c.pattern != `[]` && !p.MatchString(c.good) {
			t.Errorf("%s does not match %q", c.pattern, c.good)
		}
		if p.MatchString(c.bad) {
			t.Errorf("%s matches %q", c.pattern, c.bad)
		}
	}
	for _, bad := range []string{`(`, `)`, `a**`, `[b-a]`, `\-`, `{`, `]`, `a{2,1}`, `\1`, `\k<a>`, `(?<a>x)(?<a>y)`, `\p{Nope}`, `[\d-z]`, `(?i:a)`, `(?=a)*`, `\u{110000}`, `\c1`, `[a`, `\`, `^*`, `\8`, "\xff",
		strings.Repeat("(", 300) + strings.Repeat(")", 300), `((?=a){1000}){1000}`, `(\1a{1000}){1000}`} {
		if _, err := Compile(bad); err == nil {
			t.Errorf("%.40q is a pattern", bad)
		}
	}
}

// What would take exponential time ends with an error, or is linear.
func TestWorkIsBounded(t *testing.T) {
	text := []byte(strings.Repeat("a", 5000))
	for _, pattern := range []string{`^(?:(?=a)a+)+b$`, `^(a+)+\1b$`, `^(?:a|a|\w)*(?!x)b$`, `(?:(?=.*b|.*a)a)*b$`} {
		p, err := Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ok, err := p.Match(text, &Work{Steps: 1 << 20})
		if ok || err != nil && !errors.Is(err, ErrWork) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %v %v after %v", pattern, ok, err, time.Since(began))
		}
	}
	p, _ := Compile(`^(?!b)(?:a|a|\w)*b$`)
	if ok, err := p.Match(text, &Work{Steps: 1 << 20}); ok || err != nil {
		t.Errorf("a pattern without back references took more than linear work: %v", err)
	}
	p, _ = Compile(`^(a+)+\1b$`)
	asked := 0
	if _, err := p.Match(text, &Work{Steps: 1 << 40, Stop: func() bool { asked++; return asked > 3 }}); !errors.Is(err, ErrWork) {
		t.Errorf("a match that is not wanted went on: %v", err)
	}
}

// A pattern that both engines take has one meaning.
func FuzzEngines(f *testing.F) {
	for _, seed := range [][2]string{{`^(a|ab)*c?$`, "abab"}, {`\b\w+?\b.`, "x y"}, {`[^a-c]{2,3}|$`, "xyz"}, {`(?:a*)*b`, "aab"}, {`((a?)+|b)*c`, "abac"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 100 || len(text) > 200 {
			return
		}
		p, err := Compile(pattern)
		if err != nil {
			return
		}
		text = strings.ToValidUTF8(text, "")
		n, parsed, _ := parse(pattern)
		own, err := compile(n, parsed.groups, len(parsed.backs) > 0)
		if err != nil {
			return
		}
		w := Work{Steps: 1 << 18}
		got, err := own.match([]byte(text), &w)
		if p.linear != nil && err == nil && got != p.linear.MatchString(text) {
			t.Fatalf("%q and %q: %v, and %v by the package regexp", pattern, text, got, !got)
		}
	})
}
