package auth

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	tokenSigned = 40  // bytes of key id and timestamp, which the signature covers
	tokenSize   = 104 // bytes
	tokenText   = 139 // characters
)

// Token is a parsed AuthToken: key_id(32) ‖ timestamp(8) ‖ signature(64).
type Token struct{ raw [tokenSize]byte }

// errToken is all that is ever said of a malformed token.
var errToken = errors.New("the token is malformed")

// strictBase64 refuses unused bits that are not zero (RFC 4648, section 3.5).
var strictBase64 = base64.RawURLEncoding.Strict()

// NewToken makes a token: the signer's Ed25519 key signs its own id and the time.
func NewToken(signer crypto.Signer, now time.Time) (string, error) {
	key, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("a token is signed with an Ed25519 key")
	}
	id := KeyID(key)
	var t Token
	copy(t.raw[:], id[:])
	binary.BigEndian.PutUint64(t.raw[len(id):], uint64(now.Unix()))
	signature, err := signer.Sign(nil, t.raw[:tokenSigned], crypto.Hash(0))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	copy(t.raw[tokenSigned:], signature)
	return strictBase64.EncodeToString(t.raw[:]), nil
}

// KeyID returns what a token names a key by: SHA-256 of its 32 bytes.
func KeyID(key ed25519.PublicKey) [sha256.Size]byte { return sha256.Sum256(key) }

// ParseToken decodes a token strictly: 139 characters of base64url's alphabet,
// without padding or white space, unused bits zero. It verifies nothing.
func ParseToken(s string) (Token, error) {
	var t Token
	// encoding/base64 skips line ends wherever they stand.
	if len(s) != tokenText || strings.ContainsAny(s, "\r\n") {
		return t, errToken
	}
	if n, err := strictBase64.Decode(t.raw[:], []byte(s)); err != nil || n != tokenSize {
		return Token{}, errToken
	}
	return t, nil
}

// text gives what ParseToken read. It is a credential: do not log it.
func (t Token) text() string { return strictBase64.EncodeToString(t.raw[:]) }

// KeyID returns the id of the key that the token claims to be signed with.
func (t Token) KeyID() [sha256.Size]byte { return [sha256.Size]byte(t.raw[:sha256.Size]) }

// Timestamp returns when the token says it was made, in Unix seconds.
func (t Token) Timestamp() uint64 { return binary.BigEndian.Uint64(t.raw[sha256.Size:]) }

// Verify reports whether key signed the token, under its own id.
func (t Token) Verify(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && KeyID(key) == t.KeyID() && ed25519.Verify(key, t.raw[:tokenSigned], t.raw[tokenSigned:])
}
