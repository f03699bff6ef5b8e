package auth

import (
	"crypto/sha256"
	"sync"
)

// maxReplays bounds the tokens that are remembered. Only those that verify are, so
// that no stranger can fill the window; a token costs about 100 bytes.
const maxReplays = 1 << 17

// ReplayWindow remembers tokens until they expire, so that each is taken once. It
// outlives the KeySets that share it, and is safe for concurrent use. The zero value
// is empty.
//
// A token's time has a resolution of one second, and Ed25519 signatures repeat:
// whoever makes two tokens within a second makes the same one twice.
type ReplayWindow struct {
	mu sync.Mutex
	// Tokens by their hash, in two generations: those of the older one expire before
	// it is dropped.
	young, old map[[sha256.Size]byte]struct{}
	turned     int64 // Unix seconds, when young was begun
}

// take remembers a token and says in one word why it is refused, or "".
func (w *ReplayWindow) take(t Token, now int64) string {
	hash := sha256.Sum256(t.raw[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	// A token that is accepted now expires at most two windows from now: it was made
	// at most one window ahead of our clock.
	if now-w.turned >= 2*tokenWindow || w.young == nil {
		w.old, w.young, w.turned = w.young, map[[sha256.Size]byte]struct{}{}, now
	}
	_, isYoung := w.young[hash]
	_, isOld := w.old[hash]
	switch {
	case isYoung || isOld:
		return "replayed-token"
	case len(w.young)+len(w.old) >= maxReplays:
		return "replay-window-full"
	}
	w.young[hash] = struct{}{}
	return ""
}
