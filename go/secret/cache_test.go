package secret

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// names returns what is cached, the most recently used first.
func (c *cache) names() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for element := c.recent.Front(); element != nil; element = element.Next() {
		names = append(names, element.Value.(*cached).path.String())
	}
	return names
}

func TestCacheIsLeastRecentlyUsed(t *testing.T) {
	s := unlocked(t, Options{CacheSize: 3}, testMnemonic, "")
	use := func(n uint32) { derive(t, s, hardened(n), Ed25519) }
	for _, n := range []uint32{1, 2, 3, 1, 4} {
		use(n)
	}
	if got, want := s.vault.cache.names(), []string{"m/4'", "m/1'", "m/3'"}; !slices.Equal(got, want) {
		t.Errorf("cached %v, want %v", got, want)
	}
	for _, k := range s.vault.arena.keys {
		if *k != (key{}) {
			t.Error("an evicted key is not wiped")
		}
	}
	if s.Status().Cached != 3 {
		t.Errorf("%+v", s.Status())
	}
}

func TestCacheSize(t *testing.T) {
	for size, want := range map[int]int{0: 64, -1: 0, 1: 1, 200: 100} {
		s := unlocked(t, Options{CacheSize: size}, testMnemonic, "")
		for n := range uint32(100) {
			h := derive(t, s, DevicePath(n), Ed25519)
			if _, err := h.Sign(nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.Status().Cached; got != want {
			t.Errorf("size %d: %d cached, want %d", size, got, want)
		}
	}
}

func TestCacheTTL(t *testing.T) {
	for ttl, want := range map[time.Duration][3]int{0: {2, 1, 0}, 2 * time.Hour: {2, 2, 2}, -1: {2, 2, 2}} {
		t.Run(fmt.Sprint(ttl), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewStore(Options{CacheTTL: ttl})
				defer s.Close()
				must(t, s.Unlock([]byte(testMnemonic), nil))
				derive(t, s, DevicePath(1), Ed25519)
				time.Sleep(59 * time.Minute)
				derive(t, s, DevicePath(1), Ed25519) // using it does not make it younger
				derive(t, s, DevicePath(2), Ed25519)
				for i, wait := range []time.Duration{0, 2 * time.Minute, 58 * time.Minute} {
					time.Sleep(wait)
					synctest.Wait()
					if got := s.Status().Cached; got != want[i] {
						t.Errorf("%d: %d cached, want %d", i, got, want[i])
					}
				}
				if want[2] == 0 {
					for _, k := range s.vault.arena.keys {
						if *k != (key{}) {
							t.Error("an expired key is not wiped")
						}
					}
				}
			})
		})
	}
}

// TestCachedKeysAreTheSame compares keys from the cache with derived ones.
func TestCachedKeysAreTheSame(t *testing.T) {
	cached, derived := unlocked(t, Options{}, testMnemonic, ""), unlocked(t, Options{CacheSize: -1}, testMnemonic, "")
	for _, name := range []cacheKey{{IdentityPath(), Ed25519}, {EthereumPath(1), Secp256k1}, {hardened(3), AES256GCM}} {
		want, err := derive(t, derived, name.path, name.kind).ExportPrivateKey()
		must(t, err)
		for range 2 {
			got, err := derive(t, cached, name.path, name.kind).ExportPrivateKey()
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v", name.kind, err)
			}
		}
	}
}
