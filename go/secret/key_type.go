package secret

// KeyType says what a derived key is for. Its text is the public API's.
type KeyType string

// The key types.
const (
	// Ed25519 is an RFC 8032 key, derived by SLIP-0010: hardened levels only.
	Ed25519 KeyType = "ed25519"
	// Secp256k1 is a key on that curve, derived by BIP-32: hardened and other levels.
	Secp256k1 KeyType = "secp256k1"
	// AES256GCM is a key for AES-256-GCM: the private key that SLIP-0010 derives
	// for Ed25519, so hardened levels only. One path is meant for one type.
	AES256GCM KeyType = "aes-256-gcm"
)
