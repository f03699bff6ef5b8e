package secret

import (
	"container/list"
	"sync"
	"time"
)

// cacheKey names a derived key.
type cacheKey struct {
	path Path
	kind KeyType
}

// cached is a derived key in the cache.
type cached struct {
	cacheKey
	key     *key // in the arena
	public  []byte
	expires time.Time // zero for never
}

// cache keeps derived keys in the arena, the least recently used first out.
type cache struct {
	arena    *arena
	capacity int
	ttl      time.Duration // 0 for ever

	mu      sync.Mutex
	entries map[cacheKey]*list.Element
	recent  list.List // of *cached, the most recently used in front
	sweeper *time.Timer
}

func newCache(a *arena, capacity int, ttl time.Duration) *cache {
	return &cache{arena: a, capacity: capacity, ttl: ttl, entries: map[cacheKey]*list.Element{}}
}

// get copies a cached key to dst and returns its public half.
func (c *cache) get(name cacheKey, dst *key) (public []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[name]
	if !ok {
		return nil, false
	}
	entry := element.Value.(*cached)
	if c.expired(entry, time.Now()) {
		c.evict(element)
		return nil, false
	}
	c.recent.MoveToFront(element)
	*dst = *entry.key
	return entry.public, true
}

// put copies a key into the cache, in place of others when there is no room. It
// may find none at all, and then does nothing.
func (c *cache) put(name cacheKey, src *key, public []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[name]; known || c.capacity <= 0 {
		return
	}
	for len(c.entries) >= c.capacity {
		c.evict(c.recent.Back())
	}
	k := c.arena.takeKey()
	if k == nil && len(c.entries) > 0 {
		c.evict(c.recent.Back())
		k = c.arena.takeKey()
	}
	if k == nil {
		return
	}
	*k = *src
	entry := &cached{cacheKey: name, key: k, public: public}
	if c.ttl > 0 {
		entry.expires = time.Now().Add(c.ttl)
		if c.sweeper == nil {
			c.sweeper = time.AfterFunc(c.ttl, c.sweep)
		}
	}
	c.entries[name] = c.recent.PushFront(entry)
}

func (c *cache) expired(entry *cached, now time.Time) bool {
	return !entry.expires.IsZero() && !now.Before(entry.expires)
}

// evict wipes an entry.
func (c *cache) evict(element *list.Element) {
	entry := c.recent.Remove(element).(*cached)
	delete(c.entries, entry.cacheKey)
	c.arena.giveKey(entry.key)
}

// sweep wipes what has expired, so that a key does not outlive its time for want of
// a reader, and comes back for the next.
func (c *cache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweeper == nil {
		return // closed
	}
	now, next := time.Now(), time.Time{}
	for element := c.recent.Front(); element != nil; {
		after := element.Next()
		entry := element.Value.(*cached)
		if c.expired(entry, now) {
			c.evict(element)
		} else if next.IsZero() || entry.expires.Before(next) {
			next = entry.expires
		}
		element = after
	}
	if next.IsZero() {
		c.sweeper = nil
		return
	}
	c.sweeper.Reset(next.Sub(now))
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// close forgets everything; the arena's owner wipes it.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweeper != nil {
		c.sweeper.Stop()
		c.sweeper = nil
	}
	clear(c.entries)
	c.recent.Init()
	c.capacity = 0
}
