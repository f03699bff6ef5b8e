package secret

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestMnemonicRefuses(t *testing.T) {
	words := strings.Fields(testMnemonic)
	with := func(position int, word string) string {
		changed := append([]string(nil), words...)
		changed[position-1] = word
		return strings.Join(changed, " ")
	}
	for phrase, want := range map[string]string{
		"":                                 "not 0",
		"test":                             "not 1",
		testMnemonic + " test":             "not 13",
		strings.Repeat("test ", 27):        "not 27",
		strings.Repeat("test ", 9):         "not 9",
		with(12, "test"):                   "checksum",
		with(7, "tset"):                    "word 7 is not in any wordlist",
		with(12, "\xff"):                   "word 12 is not in any wordlist",
		with(3, strings.Repeat("x", 2000)): "word 3 is not in any wordlist",
		with(4, "ábaco"):                   "word 4 is not in the english wordlist",
		strings.Repeat("x ", 12):           "word 1 is not in any wordlist",
		strings.Repeat(" ", maxPhrase+1):   "more than",
	} {
		list, err := ValidateMnemonic([]byte(phrase))
		if CodeOf(err) != InvalidMnemonic || !strings.Contains(err.Error(), want) || list != "" {
			t.Errorf("%.80q: %v, want %q", phrase, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "tset") || strings.Contains(err.Error(), "ábaco") || strings.Contains(err.Error(), "junk")) {
			t.Errorf("%v echoes the phrase", err)
		}
		wantCode(t, "Unlock", NewStore(Options{}).Unlock([]byte(phrase), nil), InvalidMnemonic)
	}
}

// TestGenerateMnemonic makes phrases of every list and length and reads them back in
// the forms in which people and keyboards give them.
func TestGenerateMnemonic(t *testing.T) {
	if len(Wordlists()) != 9 {
		t.Fatalf("lists %v", Wordlists())
	}
	for _, list := range append(Wordlists(), "") {
		for _, words := range []int{12, 15, 18, 21, 24} {
			phrase, err := GenerateMnemonic(words, list)
			must(t, err)
			again, err := GenerateMnemonic(words, list)
			must(t, err)
			if len(bytes.Fields(phrase)) != words || bytes.Equal(phrase, again) || list == Japanese != bytes.Contains(phrase, []byte("\u3000")) {
				t.Errorf("%s: a phrase of %d words, or twice the same", list, len(bytes.Fields(phrase)))
			}
			want := seedOf(t, unlocked(t, Options{}, string(phrase), ""))
			for form, text := range map[string]string{
				"NFC": norm.NFC.String(string(phrase)), "NFKC": norm.NFKC.String(string(phrase)),
				"spaces": "\n\t " + strings.Join(strings.Fields(string(phrase)), "\u00a0 \r\n") + "\u3000",
			} {
				found, err := ValidateMnemonic([]byte(text))
				if want := cmp.Or(list, English); err != nil || found != want && !chinese(found, want) {
					t.Errorf("%s, %s: %q, %v", list, form, found, err)
				}
				if !bytes.Equal(seedOf(t, unlocked(t, Options{}, text, "")), want) {
					t.Errorf("%s, %s: another seed", list, form)
				}
			}
		}
	}
}

// TestEveryWord reads each word of each list at each position of a phrase.
func TestEveryWord(t *testing.T) {
	f := new(phraseFrame)
	for _, d := range dictionaries {
		for i := range d.words {
			f.numbers[i%12] = uint16(i)
			if i%12 != 11 {
				continue
			}
			f.count = 12
			f.checksumHolds() // sets the entropy
			f.setEntropy(12, d)
			numbers := f.numbers
			found, err := f.parse(f.text(d))
			if err != nil || f.numbers != numbers && !chinese(found.name, d.name) {
				t.Fatalf("%s, words to %d: %v", d.name, i, err)
			}
		}
	}
}

func FuzzMnemonic(f *testing.F) {
	for _, seed := range []string{"", testMnemonic, otherMnemonic, testMnemonic + " test", "Test", "\xff\xfe", "あいこくしん\u3000あいさつ", strings.Repeat("的 ", 12), strings.Repeat("가격\n", 24)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, phrase []byte) {
		before := bytes.Clone(phrase)
		frame, again := new(phraseFrame), new(phraseFrame)
		d, err := frame.parse(phrase)
		if !bytes.Equal(phrase, before) {
			t.Error("the phrase was changed")
		}
		if err != nil {
			wantCode(t, "parse", err, InvalidMnemonic)
			return
		}
		// What is valid has one canonical form, which is valid and gives the same entropy.
		canonical := frame.canonicalPhrase()
		e, err := again.parse(canonical)
		if err != nil || e != d || again.entropy != frame.entropy || !bytes.Equal(again.canonicalPhrase(), canonical) {
			t.Errorf("%q: %v", canonical, err)
		}
		if text := norm.NFKD.String(strings.Join(strings.Fields(string(phrase)), " ")); text != string(canonical) {
			t.Errorf("canonical form %q, want %q", canonical, text)
		}
	})
}

func ExampleValidateMnemonic() {
	_, err := ValidateMnemonic([]byte("test test test test test test tset test test test test junk"))
	fmt.Println(err)
	// Output: INVALID_MNEMONIC: word 7 is not in any wordlist
}
