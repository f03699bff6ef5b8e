// Package secret turns one mnemonic into every key that a node needs, and uses them
// where they lie: in locked memory.
//
// A Store begins locked. Unlock gives it a BIP-39 mnemonic, or Create makes one;
// Derive then returns a Handle for the key at a path, which signs, seals and opens,
// and tells its public key. Beside handles the store seals values (Encrypt, Decrypt,
// Rotate), makes passwords for sites (Password), and is a crypto.Signer for TLS and
// SSH (Signer). Lock wipes everything.
package secret
