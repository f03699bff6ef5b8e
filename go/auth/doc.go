// Package auth holds keys, tokens and the identities they stand for.
//
// A node has one Ed25519 principal key, kept in OpenSSH's format (LoadPrivateKey,
// GenerateKey). A KeySet is the set of authorized keys, usually read from an
// authorized_keys file (ParseAuthorizedKeys); it is the IdentityProvider that turns
// a key which a handshake has proven, or a token signed with one (NewToken), into
// an Identity. Keys and tokens are compared in constant time, and nothing here
// puts key material into an error.
package auth
