package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxWords = 24
	// maxPhrase is what is read of a phrase, in bytes. The longest canonical one,
	// 24 Korean words of 33 bytes, has 815.
	maxPhrase = 4096
	// maxWord is how long a word may be before NFKD, in bytes; the longest in a
	// list has 33 after it. NFKD makes at most 18 bytes of one.
	maxWord = 48
)

// phraseFrame is what a phrase is checked and made in: locked memory.
type phraseFrame struct {
	seed    [64]byte // first, where the store keeps it
	count   int
	numbers [maxWords]uint16
	entropy [33]byte // and the checksum's byte
	hash    [32]byte
	word    [18 * maxWord]byte
	phrase  [1024]byte // canonical: words in NFKD, single spaces

	block        [128]byte
	inner, outer [256]byte // saved states of PBKDF2's HMAC
	u            [64]byte
}

// ValidateMnemonic reports whether a phrase is a BIP-39 mnemonic, and of which
// wordlist: 12, 15, 18, 21 or 24 words of one list, separated by white space of any
// kind, with the right checksum. Words need not be in NFKD; they must be in lower
// case. The error is INVALID_MNEMONIC and names the position of an unknown word,
// never a word. The phrase stays the caller's, unchanged.
func ValidateMnemonic(phrase []byte) (list Wordlist, err error) {
	err = inPhraseFrame(func(f *phraseFrame) error {
		d, err := f.parse(phrase)
		if err == nil {
			list = d.name
		}
		return err
	})
	return list, err
}

// GenerateMnemonic makes a random phrase of 12, 15, 18, 21 or 24 words (128 to 256
// bits of entropy) of a wordlist; "" means English. The words are in NFKD; those of
// Japanese are separated by ideographic spaces. The caller wipes the phrase after
// use. Another count of words or an unknown list is INVALID_INPUT.
func GenerateMnemonic(words int, list Wordlist) (phrase []byte, err error) {
	err = inPhraseFrame(func(f *phraseFrame) error {
		d, err := f.generate(words, list)
		if err == nil {
			phrase = f.text(d)
		}
		return err
	})
	return phrase, err
}

// generate fills f with a random phrase.
func (f *phraseFrame) generate(words int, list Wordlist) (*dictionary, error) {
	if list == "" {
		list = English
	}
	d, err := dictionaryOf(list)
	if err != nil {
		return nil, err
	}
	if !validCount(words) {
		return nil, errorf(InvalidInput, "a mnemonic has 12, 15, 18, 21 or 24 words, not %d", words)
	}
	rand.Read(f.entropy[:words/3*4]) // it cannot fail
	f.setEntropy(words, d)
	return d, nil
}

func validCount(words int) bool { return words >= 12 && words <= maxWords && words%3 == 0 }

// setEntropy makes the words of the first words/3*4 bytes of f.entropy.
func (f *phraseFrame) setEntropy(words int, d *dictionary) {
	f.count = words
	f.entropy[words/3*4] = f.checksum()
	for i := range words {
		n := uint16(0)
		for bit := i * 11; bit < (i+1)*11; bit++ {
			n = n<<1 | uint16(f.entropy[bit/8]>>(7-bit%8)&1)
		}
		f.numbers[i] = n
	}
	f.setPhrase(d)
}

// setPhrase writes the canonical phrase of f.numbers.
func (f *phraseFrame) setPhrase(d *dictionary) {
	clear(f.phrase[:])
	f.canonical(d, f.phrase[:0], " ")
}

func (f *phraseFrame) canonical(d *dictionary, out []byte, separator string) []byte {
	for i, n := range f.numbers[:f.count] {
		if i > 0 {
			out = append(out, separator...)
		}
		out = append(out, d.words[n]...)
	}
	return out
}

// text returns the phrase as people write it, in memory of the caller.
func (f *phraseFrame) text(d *dictionary) []byte {
	separator := " "
	if d.name == Japanese {
		separator = "\u3000" // BIP-39, "Wordlist": ideographic spaces
	}
	size := 0
	for _, n := range f.numbers[:f.count] {
		size += len(d.words[n]) + len(separator)
	}
	return f.canonical(d, make([]byte, 0, size), separator)
}

// canonicalPhrase returns what setPhrase wrote.
func (f *phraseFrame) canonicalPhrase() []byte {
	end := len(f.phrase)
	for end > 0 && f.phrase[end-1] == 0 {
		end--
	}
	return f.phrase[:end]
}

// checksum returns the checksum of the entropy, in its first 4 to 8 bits.
func (f *phraseFrame) checksum() byte {
	h := sha256.New()
	defer wipeObject(h)
	h.Write(f.entropy[:f.count/3*4])
	h.Sum(f.hash[:0])
	return f.hash[0] & f.checksumMask()
}

// checksumMask covers the checksum's bits: one for every three words.
func (f *phraseFrame) checksumMask() byte { return ^byte(0) << (8 - f.count/3) }

// parse reads a phrase into f.numbers and f.phrase and finds its list. Words can
// belong to several lists (the Chinese ones share most); the checksum decides.
func (f *phraseFrame) parse(phrase []byte) (*dictionary, error) {
	if len(phrase) > maxPhrase {
		return nil, errorf(InvalidMnemonic, "the mnemonic has more than %d bytes", maxPhrase)
	}
	count := 0
	for rest := phrase; ; count++ {
		var word []byte
		if word, rest = nextWord(rest); len(word) == 0 {
			break
		}
	}
	if !validCount(count) {
		return nil, errorf(InvalidMnemonic, "a mnemonic has 12, 15, 18, 21 or 24 words, not %d", count)
	}
	f.count = count
	var closest *dictionary
	known, unknown, checksumFails := -1, 0, false
	for _, d := range dictionaries {
		found, missing := f.look(d, phrase)
		switch {
		case found == count && f.checksumHolds():
			f.setPhrase(d)
			return d, nil
		case found == count:
			checksumFails = true
		case found > known:
			closest, known, unknown = d, found, missing
		}
	}
	if checksumFails {
		return nil, errorf(InvalidMnemonic, "the mnemonic's checksum fails: a word is wrong, or the order is")
	}
	if f.inAnyList(phrase, unknown) {
		return nil, errorf(InvalidMnemonic, "word %d is not in the %s wordlist, which the others are from", unknown+1, closest.name)
	}
	return nil, errorf(InvalidMnemonic, "word %d is not in any wordlist", unknown+1)
}

// look finds the words in one list: how many it has, and the first that it lacks.
func (f *phraseFrame) look(d *dictionary, phrase []byte) (found, missing int) {
	missing = -1
	for i := range f.count {
		var word []byte
		word, phrase = nextWord(phrase)
		n, ok := d.find(f.normalize(word))
		switch {
		case ok:
			f.numbers[i] = n
			found++
		case missing < 0:
			missing = i
		}
	}
	return found, missing
}

func (f *phraseFrame) inAnyList(phrase []byte, position int) bool {
	var word []byte
	for range position + 1 {
		word, phrase = nextWord(phrase)
	}
	word = f.normalize(word)
	for _, d := range dictionaries {
		if _, ok := d.find(word); ok {
			return true
		}
	}
	return false
}

// normalize returns a word in NFKD and in lower case, in f.word; nil for one that is in
// no list. All letters of the lists that have a case are ASCII then, with marks behind.
func (f *phraseFrame) normalize(word []byte) []byte {
	if len(word) > maxWord || !utf8.Valid(word) {
		return nil
	}
	word = norm.NFKD.Append(f.word[:0], word...)
	for i, b := range word {
		if 'A' <= b && b <= 'Z' {
			word[i] = b + ('a' - 'A')
		}
	}
	return word
}

// checksumHolds sets the entropy from f.numbers and compares the checksum.
func (f *phraseFrame) checksumHolds() bool {
	clear(f.entropy[:])
	for i, n := range f.numbers[:f.count] {
		for j := range 11 {
			bit := i*11 + j
			f.entropy[bit/8] |= byte(n>>(10-j)&1) << (7 - bit%8)
		}
	}
	return subtle.ConstantTimeByteEq(f.entropy[f.count/3*4], f.checksum()) == 1
}

// separates reports whether a character stands between words: spaces, and those without
// a width that come with pasted text.
func separates(r rune) bool {
	switch r {
	case '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return true
	}
	return unicode.IsSpace(r)
}

// nextWord cuts the first word off a phrase; an empty one is its end.
func nextWord(phrase []byte) (word, rest []byte) {
	for len(phrase) > 0 {
		r, size := utf8.DecodeRune(phrase)
		if !separates(r) {
			break
		}
		phrase = phrase[size:]
	}
	for i := 0; i < len(phrase); {
		r, size := utf8.DecodeRune(phrase[i:])
		if separates(r) {
			return phrase[:i], phrase[i:]
		}
		i += size
	}
	return phrase, nil
}
