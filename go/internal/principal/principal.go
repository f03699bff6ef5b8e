// Package principal names an Ed25519 principal key: the one key that is a
// node's identity on every transport.
//
// A key has two public names. The endpoint id (base58btc of the 32 bytes) goes
// into addresses, where it pins the key; the fingerprint (OpenSSH's SHA256 form)
// is what people compare and what an identity is called.
package principal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/mr-tron/base58"
)

// maxEndpointID is the longest base58 text of 32 bytes; longer input is refused
// before it is decoded, because base58 decoding costs quadratic time.
const maxEndpointID = 44

// EndpointID returns the base58btc text of the key's 32 bytes.
func EndpointID(key ed25519.PublicKey) string {
	return base58.Encode(key)
}

// ParseEndpointID returns the key that the endpoint id names. It takes only the
// text that EndpointID gives: 32 bytes, Bitcoin's alphabet, no white space.
func ParseEndpointID(s string) (ed25519.PublicKey, error) {
	if s == "" || len(s) > maxEndpointID {
		return nil, fmt.Errorf("endpoint id has %d characters: want the base58 text of a 32-byte key, as `alknet key show` prints it", len(s))
	}
	b, err := base58.Decode(s)
	if err != nil {
		return nil, fmt.Errorf("endpoint id %q is not base58: copy it as `alknet key show` prints it", s)
	}
	if len(b) != ed25519.PublicKeySize || base58.Encode(b) != s {
		return nil, fmt.Errorf("endpoint id %q holds %d bytes: want a 32-byte Ed25519 key", s, len(b))
	}
	return ed25519.PublicKey(b), nil
}

// Fingerprint returns the key's fingerprint as ssh-keygen -l prints it: SHA256:
// and the unpadded base64 of SHA-256 over the SSH wire encoding (RFC 8709,
// section 4).
func Fingerprint(key ed25519.PublicKey) string {
	const kind = "ssh-ed25519"
	blob := binary.BigEndian.AppendUint32(nil, uint32(len(kind)))
	blob = append(blob, kind...)
	blob = binary.BigEndian.AppendUint32(blob, uint32(len(key)))
	blob = append(blob, key...)
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
