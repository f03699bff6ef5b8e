package secret

// State says whether a store holds a seed.
type State string

// The states.
const (
	StateLocked   State = "locked"
	StateUnlocked State = "unlocked"
)

// Memory says where a store's secrets lie.
type Memory string

// The kinds of memory.
const (
	MemoryNone     Memory = "none"     // the store is locked and holds none
	MemoryLocked   Memory = "locked"   // locked against swapping
	MemoryUnlocked Memory = "unlocked" // guarded and wiped, but the kernel may swap it out
)

// Status is what can be told of a store to anyone.
type Status struct {
	State      State  `json:"state"`
	Memory     Memory `json:"memory"`
	Exportable bool   `json:"exportable"`
	Closed     bool   `json:"closed"`
	// Cached is how many derived keys are in the cache.
	Cached int `json:"cached"`
	// SealCounts is how often each key version has sealed since the store was made,
	// and before as Options said. Versions 1 and 2, which share a key, are counted
	// as 2. Handles on other paths are counted, but not told.
	SealCounts map[uint32]uint64 `json:"sealCounts"`
}

// Status tells the state of the store. It does not wait for an unlocking under way.
func (s *Store) Status() Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	status := Status{State: StateLocked, Memory: MemoryNone, Exportable: !s.options.NotExportable, Closed: s.closed, SealCounts: s.seals.versions()}
	if s.vault != nil {
		status.State, status.Memory = StateUnlocked, MemoryUnlocked
		if s.vault.arena.locked {
			status.Memory = MemoryLocked
		}
		status.Cached = s.vault.cache.len()
	}
	return status
}
