package secret

import (
	"bytes"
	"strings"
	"testing"
)

// A phrase as it stands on paper, or as it was pasted, is the same phrase.
func TestPhraseAsItIsTyped(t *testing.T) {
	const phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow"
	want, err := parsed(phrase)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"in capitals": strings.ToUpper(phrase), "with a capital": "L" + phrase[1:], "with zero width spaces": strings.ReplaceAll(phrase, " ", " \u200b"),
		"with NBSP": strings.ReplaceAll(phrase, " ", "\u00a0"), "with a mark": "\ufeff" + phrase + "\n",
	} {
		if got, err := parsed(text); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// parsed returns the canonical phrase.
func parsed(phrase string) ([]byte, error) {
	var f phraseFrame
	if _, err := f.parse([]byte(phrase)); err != nil {
		return nil, err
	}
	return bytes.Clone(f.canonicalPhrase()), nil
}

func TestPathsThatArePasted(t *testing.T) {
	for path, want := range map[string]string{"74'/0'": "begins with m", "m/74\u2019/0'": "apostrophe", "m/74\u2032": "apostrophe", "m/74' ": "space", "m/74'\u00a0/0": "space"} {
		if _, err := ParsePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}
