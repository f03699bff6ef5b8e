package alknet

import (
	"crypto"
	"crypto/ed25519"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/principal"
)

// GenerateKey makes a new Ed25519 key.
func GenerateKey() (ed25519.PrivateKey, error) { return auth.GenerateKey() }

// LoadKey reads an Ed25519 private key in OpenSSH's format. passphrase is nil for a key
// without one. As ssh does, it refuses a file that others than its owner can read.
func LoadKey(path string, passphrase []byte) (ed25519.PrivateKey, error) {
	return auth.LoadPrivateKey(path, passphrase)
}

// WriteKey writes a private key in OpenSSH's format to a new file that its owner alone can
// read, encrypted where passphrase is not empty. A file that exists is not replaced: the
// error matches fs.ErrExist.
func WriteKey(path string, key ed25519.PrivateKey, comment string, passphrase []byte) error {
	return auth.WritePrivateKey(path, key, comment, passphrase)
}

// AuthorizedKey returns the key as a line of authorized_keys, without a line feed.
func AuthorizedKey(key ed25519.PublicKey, comment string) string {
	return auth.MarshalPublicKey(key, comment)
}

// EndpointID returns the base58btc text of the key's 32 bytes, which addresses pin.
func EndpointID(key ed25519.PublicKey) string { return principal.EndpointID(key) }

// Fingerprint returns the key's fingerprint, SHA256:…, as ssh-keygen -l prints it. It is
// the ID of the key's identity.
func Fingerprint(key ed25519.PublicKey) string { return principal.Fingerprint(key) }

// NewToken makes a token of the signer's Ed25519 key, for [AuthToken] and [WithToken]. It
// is valid for 300 s.
func NewToken(signer crypto.Signer) (string, error) { return auth.NewToken(signer, time.Now()) }
