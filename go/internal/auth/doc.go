// Package auth holds keys, tokens and the identities they stand for.
//
// A node has one Ed25519 principal key, kept in OpenSSH's format (LoadPrivateKey,
// GenerateKey). A KeySet holds everything that a node accepts: authorized keys and
// certificate authorities, usually read from an authorized_keys file
// (ParseAuthorizedKeys), and API keys (NewAPIKey). It is the IdentityProvider that
// turns a key which a handshake has proven, an OpenSSH certificate of one, a token
// signed with one (NewToken) or an API key into an Identity; Renew says what has
// become of an identity since. Whoever is refused learns nothing of why: the reason
// is in a RejectError, for the log. Keys, tokens and API keys are compared in constant
// time, and nothing here puts key material into an error.
package auth
