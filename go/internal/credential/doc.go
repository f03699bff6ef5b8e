// Package credential gives what a node signs in elsewhere with: API keys, passwords,
// tokens, kept sealed on disk and opened only where they are used.
//
// A [Provider] answers for a service by its name. The usual one is a [Directory]: a
// folder with one file a service, each an EncryptedData (package secret) that holds
// the credential in a canonical JSON form, sealed with the sealing key of a secret
// store. [Directory.Get] gives a [Credential], a handle that tells what is no secret;
// [Credential.Open] and [Credential.Secret] open the secrets, for as long as the
// caller needs them.
//
// # What is promised
//
// Nothing that was opened stays here. A Directory holds no credential, and a
// Credential holds its sealed form: each use opens that in the store, copies what was
// asked for and wipes the rest. So there is nothing to forget when the store is
// locked: from then on every use is LOCKED, also of a Credential that was got before,
// and works again once the store is unlocked with the same phrase. A file that was
// changed counts from the next Get on; nothing needs to be told.
//
// Printing, logging or marshalling a Credential, a [Value] or a [Secret], with
// whatever verb, shows no secret. No error and no [Event] holds one, nor does any of
// them hold what a file contains.
//
// # What is not promised
//
// What a caller was given is the caller's to wipe. The memory in which a value is
// opened is Go's heap, not locked memory: it is wiped when it is not needed any more.
// The sealed form is bound to nothing but its key, as EncryptedData is; the name of
// the service is within, so that a file under another name is refused, but whoever can
// write to the folder can bring an older credential of the same service back.
package credential
