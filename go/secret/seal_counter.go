package secret

import "sync"

// sealCounter counts how often each sealing key of a store was used, across
// lockings and whatever the seed: with several seeds it counts too much rather than
// too little. Other stores with the same seed, and other processes, it knows only
// from Options.SealCounts.
type sealCounter struct {
	mu     sync.Mutex
	counts map[Path]uint64
}

func newSealCounter(versions map[uint32]uint64) *sealCounter {
	c := &sealCounter{counts: map[Path]uint64{}}
	for version, count := range versions {
		if path, err := SealingPath(version); err == nil {
			c.counts[path] += count
		}
	}
	return c
}

// use counts one seal with the key at a path, or refuses.
func (c *sealCounter) use(path Path) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	count, known := c.counts[path]
	switch {
	case count >= MaxSeals:
		if version := versionOf(path); version != 0 {
			return errorf(ResourceExhausted, "key version %d has sealed 2^32 times, which is its limit: seal with version %d", version, version+1)
		}
		return errorf(ResourceExhausted, "the key has sealed 2^32 times, which is its limit: derive another")
	case !known && len(c.counts) >= maxSealingKeys:
		return errorf(ResourceExhausted, "the store has sealed with %d keys, which is its limit", maxSealingKeys)
	}
	c.counts[path] = count + 1
	return nil
}

func (c *sealCounter) versions() map[uint32]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	versions := map[uint32]uint64{}
	for path, count := range c.counts {
		if version := versionOf(path); version != 0 {
			versions[version] = count
		}
	}
	return versions
}

// versionOf is the inverse of SealingPath: 0 for other paths, 2 for the key that
// the versions 1 and 2 share.
func versionOf(path Path) uint32 {
	if path.depth != 4 {
		return 0
	}
	version := path.indices[3]&^hardenedBit + 2
	if sealing, err := SealingPath(version); err != nil || sealing != path {
		return 0
	}
	return version
}
