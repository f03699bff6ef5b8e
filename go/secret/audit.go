package secret

import "time"

// Action says what an Event is about.
type Action string

// The actions. Those after ActionExport are told of only when they fail.
const (
	ActionUnlock   Action = "unlock"    // Unlock and Create
	ActionLock     Action = "lock"      // Lock and Close
	ActionIdleLock Action = "idle_lock" // locked by itself after IdleTimeout
	ActionDerive   Action = "derive"    // Derive, and every derivation that another operation needs
	ActionExport   Action = "export"    // a private key left the store
	ActionSign     Action = "sign"
	ActionSeal     Action = "seal"
	ActionOpen     Action = "open"
	ActionPassword Action = "password"
)

// Event tells an observer what happened in a store. It never holds a value. A call
// whose arguments are wrong in themselves is no event.
type Event struct {
	Time   time.Time `json:"time"`
	Action Action    `json:"action"`
	// Path and Type of the key; Type is empty for actions without a key. JSON leaves
	// out the path "m".
	Path Path    `json:"path,omitzero"`
	Type KeyType `json:"type,omitempty"`
	// Code is why it failed; empty when it succeeded.
	Code Code `json:"code,omitempty"`
}
