// Package secret turns one mnemonic into every key that a node needs, and uses them
// where they lie: in locked memory.
//
// A [Store] begins locked. [Store.Unlock] gives it a BIP-39 mnemonic, or
// [Store.Create] makes one; [Store.Derive] then returns a [Handle] for the key at a
// path, which signs, seals and opens, and tells its public key. Beside handles the
// store seals values ([Store.Encrypt], [Store.Decrypt], [Store.Rotate]), makes
// passwords for sites ([Store.Password]) and gives a crypto.Signer for TLS and SSH
// ([Store.Signer]). [Store.Lock] wipes everything; [Store.Close] does, for good.
//
// The standards are BIP-39 (mnemonics), SLIP-0010 (Ed25519), BIP-32 (secp256k1), NIST
// SP 800-38D (AES-256-GCM), RFC 5869 (HKDF), EIP-55, EIP-191 and EIP-712 (Ethereum)
// and OpenSSH's PROTOCOL.key. The package imports nothing of this project and can be
// used alone.
//
// # What is promised
//
// The seed, every derived key and every number computed on the way to one lie in
// memory that is locked against swapping, left out of core dumps and guarded by
// inaccessible pages, and are wiped as soon as they are not needed: at the end of an
// operation, when they leave the cache, and when the store is locked. After Lock a
// core image of the process holds neither the phrase, nor the seed, nor a chain
// code, nor a private key, nor a plaintext that was opened (TestCoreImage). A system
// that refuses to lock memory makes a store say so, or fail if it is told to; it
// never makes the process hang or exit (TestMemoryLimits).
//
// No error, event, status, printed or marshalled value of this package holds a
// secret. Arguments that are secret are []byte, and the methods say which of them
// they wipe; what they return and is secret is the caller's to wipe.
//
// Secrets are compared in constant time. Ed25519 is computed in constant time, and
// so is AES-GCM on processors with AES instructions; secp256k1 works on numbers
// blinded by random ones instead.
//
// # How
//
// Go offers no memory that is its own and leaves no trace: its stacks move, its heap
// is not wiped, and its crypto packages copy keys to both. So
//
//   - the numbers lie in a frame, outside the heap, and the algorithms are put
//     together here from parts that work in place: SHA-2 and AES of the standard
//     library, the group operations of filippo.io/edwards25519 and decred's
//     secp256k1, wordlists of go-bip39. crypto/ed25519, crypto/hmac, crypto/pbkdf2,
//     x/crypto/ssh and the Sign of decred's ecdsa compute the same, as the tests
//     check, and put keys where they cannot be wiped;
//   - the state of a hash and the key schedule of a cipher do lie on the heap, for
//     the microseconds of their use, and are zeroed then;
//   - the stack that an operation used is zeroed, together with the vector registers,
//     and does not move meanwhile; on Linux the thread takes no signals meanwhile,
//     since the kernel would save its registers where nobody can wipe them.
//
// # What is not promised
//
// Nothing is kept from somebody who reads the process's memory while a store is
// unlocked: root, a debugger, other code in the process. General registers are not
// wiped, and on systems other than Linux a signal may leave copies of registers
// behind. Suspending the machine to disk writes locked memory, too. What a caller
// was given, or has made a string of, is beyond our reach. Go's experiment
// runtime/secret would do some of this in the runtime; it is not used while it is
// outside the compatibility promise.
//
// # Locked memory
//
// Built as usual, for a process that is our own, the package uses memguard, whose
// initialiser turns core dumps off for the whole process (RLIMIT_CORE, for good).
// With the build tag alknet_addon, for a library in somebody else's process, it uses
// memcall, memguard's lower layer, alone; it then changes no limit, and memguard is
// not linked.
//
// memguard panics when the kernel refuses it memory, after destroying every buffer
// of the process, and may deadlock on the way. Therefore the kernel is asked first,
// and memguard only when it agrees; see allocate. Its Enclaves, its signal handler
// and its exit functions are not used.
//
// A store takes one page of locked memory (usually 4 KiB), two more when its cache of
// 64 keys is full, and one for every five operations that run at once, of which
// there are no more than processors. Where the limit is reached, a store that has
// locked memory caches less, and does less at once, instead of using memory that is
// not locked. 64 KiB, the limit of older systems, is enough for 16 stores with small
// caches; 50 stores with full ones take 600 KiB of the 8 MiB of newer systems.
package secret
