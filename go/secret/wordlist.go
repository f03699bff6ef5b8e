package secret

import (
	"sync"

	"github.com/tyler-smith/go-bip39/wordlists"
)

// Wordlist names a list of 2,048 words (BIP-39, "Wordlist"). Only the words of a
// phrase make the seed; the list is needed to make a phrase and to check one.
type Wordlist string

// The wordlists of BIP-39.
const (
	English            Wordlist = "english"
	Japanese           Wordlist = "japanese"
	Korean             Wordlist = "korean"
	Spanish            Wordlist = "spanish"
	ChineseSimplified  Wordlist = "chinese_simplified"
	ChineseTraditional Wordlist = "chinese_traditional"
	French             Wordlist = "french"
	Italian            Wordlist = "italian"
	Czech              Wordlist = "czech"
)

// dictionary is a wordlist with an index from word to number, made when it is
// first needed. The words are in NFKD, as BIP-39 hashes them.
type dictionary struct {
	name  Wordlist
	words []string
	index func() map[string]uint16
}

// dictionaries holds every list, the likeliest first.
var dictionaries = []*dictionary{
	newDictionary(English, wordlists.English),
	newDictionary(Japanese, wordlists.Japanese),
	newDictionary(Korean, wordlists.Korean),
	newDictionary(Spanish, wordlists.Spanish),
	newDictionary(ChineseSimplified, wordlists.ChineseSimplified),
	newDictionary(ChineseTraditional, wordlists.ChineseTraditional),
	newDictionary(French, wordlists.French),
	newDictionary(Italian, wordlists.Italian),
	newDictionary(Czech, wordlists.Czech),
}

func newDictionary(name Wordlist, words []string) *dictionary {
	return &dictionary{name: name, words: words, index: sync.OnceValue(func() map[string]uint16 {
		index := make(map[string]uint16, len(words))
		for i, word := range words {
			index[word] = uint16(i)
		}
		return index
	})}
}

// find returns the number of a word in NFKD.
func (d *dictionary) find(word []byte) (uint16, bool) {
	n, ok := d.index()[string(word)] // the compiler makes no string of this
	return n, ok
}

// Wordlists returns the names of all wordlists.
func Wordlists() []Wordlist {
	names := make([]Wordlist, len(dictionaries))
	for i, d := range dictionaries {
		names[i] = d.name
	}
	return names
}

func dictionaryOf(name Wordlist) (*dictionary, error) {
	for _, d := range dictionaries {
		if d.name == name {
			return d, nil
		}
	}
	return nil, errorf(InvalidInput, "there is no wordlist %.40q: take english, or another one that Wordlists names", string(name))
}
