package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

const (
	apiKeyLead   = "alk_"
	apiKeySize   = 32 // random bytes
	apiKeyText   = 47 // characters
	apiKeyPublic = 12 // characters of the prefix
)

// APIKey is what a node keeps of an API key: enough to recognise it, and nothing
// that could be used in its place.
type APIKey struct {
	// Prefix is the first 12 characters of the key, and the id of its identity.
	Prefix string
	// Hash is SHA-256 of the whole key's text.
	Hash [sha256.Size]byte
	// Scopes and Resources of its identity.
	Scopes    []string
	Resources map[string][]string
	// Expires ends the key; zero means never.
	Expires time.Time
}

// NewAPIKey makes a key: "alk_" and 32 random bytes in base64url. text is the key
// itself, which is not kept anywhere; the caller adds to what is kept.
func NewAPIKey() (text string, kept APIKey) {
	raw := make([]byte, apiKeySize)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	text = apiKeyLead + strictBase64.EncodeToString(raw)
	return text, APIKey{Prefix: text[:apiKeyPublic], Hash: sha256.Sum256([]byte(text))}
}

// looksLikeAPIKey tells an API key from a token, which may begin with the same four
// characters but is longer.
func looksLikeAPIKey(text string) bool {
	return strings.HasPrefix(text, apiKeyLead) && len(text) < tokenText
}

// parseAPIKey checks a key's form strictly, and returns its prefix and hash.
func parseAPIKey(text string) (prefix string, hash [sha256.Size]byte, err error) {
	var raw [apiKeySize + 1]byte
	if len(text) != apiKeyText || strings.ContainsAny(text, "\r\n") {
		return "", hash, errAPIKey
	}
	if n, err := strictBase64.Decode(raw[:], []byte(text[len(apiKeyLead):])); err != nil || n != apiKeySize {
		return "", hash, errAPIKey
	}
	return text[:apiKeyPublic], sha256.Sum256([]byte(text)), nil
}

// errAPIKey is all that is ever said of a malformed key.
var errAPIKey = fmt.Errorf("the API key is malformed")
