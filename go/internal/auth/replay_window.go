package auth

import (
	"crypto/sha256"
	"sync"
)

// maxReplays bounds the tokens that are remembered. Only those that verify are, so
// that no stranger can fill the window; a token costs about 100 bytes.
const maxReplays = 1 << 17

// maxReplaysOfKey is a key's part of them. A signer may choose the nonce of a signature,
// and so make any number of tokens within a second; they cost no one but its own key.
const maxReplaysOfKey = 1 << 12

// ReplayWindow remembers tokens until they expire, so that each is taken once. It
// outlives the KeySets that share it, and is safe for concurrent use. The zero value
// is empty.
//
// A token's time has a resolution of one second, and the usual Ed25519 signatures repeat:
// two tokens of a key within a second are the same one twice.
type ReplayWindow struct {
	mu sync.Mutex
	// Two generations: the tokens of the older one expire before it is dropped.
	young, old replays
	turned     int64 // Unix seconds, when young was begun
}

// replays are the tokens of one generation.
type replays struct {
	tokens map[[sha256.Size]byte]struct{} // by their hash
	ofKey  map[[sha256.Size]byte]int      // how many, by the key's id
}

// take remembers a token and says in one word why it is refused, or "".
func (w *ReplayWindow) take(t Token, now int64) string {
	hash := sha256.Sum256(t.raw[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	// A token that is accepted now expires at most two windows from now: it was made
	// at most one window ahead of our clock.
	if now-w.turned >= 2*tokenWindow || w.young.tokens == nil {
		w.old, w.turned = w.young, now
		w.young = replays{map[[sha256.Size]byte]struct{}{}, map[[sha256.Size]byte]int{}}
	}
	_, isYoung := w.young.tokens[hash]
	_, isOld := w.old.tokens[hash]
	id := t.KeyID()
	switch {
	case isYoung || isOld:
		return "replayed-token"
	case w.young.ofKey[id]+w.old.ofKey[id] >= maxReplaysOfKey, len(w.young.tokens)+len(w.old.tokens) >= maxReplays:
		return "replay-window-full"
	}
	w.young.tokens[hash] = struct{}{}
	w.young.ofKey[id]++
	return ""
}
