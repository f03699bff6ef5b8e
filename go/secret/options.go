package secret

import (
	"maps"
	"time"
)

// Options say how a Store behaves. The zero value is usable.
type Options struct {
	// RequireLockedMemory makes unlocking fail with MEMORY_LOCK where the kernel
	// refuses to lock memory against swapping. Otherwise the store goes on without,
	// warns once, and says so in its Status.
	RequireLockedMemory bool
	// NotExportable closes the door out: every export of a private key is
	// NOT_EXPORTABLE. Passwords and opened data still come out.
	NotExportable bool
	// CacheSize is how many derived keys are kept: default 64; negative for none.
	CacheSize int
	// CacheTTL is how long a derived key is kept, counted from its derivation:
	// default 1 hour; negative for as long as the store is unlocked.
	CacheTTL time.Duration
	// IdleTimeout locks the store when nothing has used it for so long; 0 or less
	// for never. Status and the calls that need no key do not count as use.
	IdleTimeout time.Duration
	// SealCounts is how often each key version has sealed before, as Status tells
	// it: with it the limit of MaxSeals spans restarts.
	SealCounts map[uint32]uint64
	// OnEvent is told what happens, after it happened, on the goroutine that did
	// it and with no lock held: it may call the store, and when it is slow only
	// that one operation waits. Calls can be concurrent. nil for none.
	OnEvent func(Event)
	// OnWarning is told, at most once per store, that memory is not locked. nil for
	// none.
	OnWarning func(message string)
}

const (
	defaultCacheSize = 64
	defaultCacheTTL  = time.Hour
)

func (o Options) withDefaults() Options {
	if o.CacheSize == 0 {
		o.CacheSize = defaultCacheSize
	}
	switch {
	case o.CacheTTL == 0:
		o.CacheTTL = defaultCacheTTL
	case o.CacheTTL < 0:
		o.CacheTTL = 0 // the cache's "for ever"
	}
	o.SealCounts = maps.Clone(o.SealCounts)
	return o
}
