package secret

import (
	"runtime"
	"sync"
	"unsafe"
)

// arena is the locked memory of an unlocked store. Locked memory is scarce (64 KiB
// for a whole process on older systems) and comes in pages, so the small secrets of
// one store share them: the first page holds the seed, two frames and the first
// keys of the cache; more pages follow when more is cached or done at once.
type arena struct {
	locked    bool // against swapping; all of it or none
	seed      *[64]byte
	frames    chan *frame // the unused ones
	maxFrames int

	mu       sync.Mutex
	regions  []region
	keys     []*key // the unused ones
	frameCnt int
}

// newArena makes an arena of one page whose content fill writes; what fill leaves
// in the page's first bytes is the seed, the rest is wiped.
func newArena(requireLocked bool, fill func(*phraseFrame) error) (*arena, error) {
	first, locked, err := newRegion(pageSize, requireLocked)
	if err != nil {
		return nil, err
	}
	page := first.Bytes()
	shield(func() { err = fill((*phraseFrame)(unsafe.Pointer(&page[0]))) })
	a := &arena{locked: locked, seed: (*[64]byte)(page), regions: []region{first}, maxFrames: max(2, runtime.GOMAXPROCS(0))}
	if err != nil {
		first.Destroy()
		return nil, err
	}
	rest := page[len(a.seed):]
	clear(rest)
	a.frames = make(chan *frame, a.maxFrames)
	a.addKeys(a.addFrames(rest, 2))
	return a, nil
}

// What a phrase is checked in fits into the smallest page.
const _ = uint(4096 - unsafe.Sizeof(phraseFrame{}))

// Everything placed in a page begins at a multiple of this.
const alignment = 64

func aligned(size uintptr) int { return int(size+alignment-1) &^ (alignment - 1) }

var (
	frameSize = aligned(unsafe.Sizeof(frame{}))
	keySize   = aligned(unsafe.Sizeof(key{}))
)

// addFrames places up to n frames in a page and returns what is left of it.
func (a *arena) addFrames(page []byte, n int) []byte {
	for n = min(n, a.maxFrames-a.frameCnt); n > 0 && len(page) >= frameSize; n-- {
		a.frames <- (*frame)(unsafe.Pointer(&page[0]))
		a.frameCnt++
		page = page[frameSize:]
	}
	return page
}

// addKeys fills a page with keys.
func (a *arena) addKeys(page []byte) {
	for ; len(page) >= keySize; page = page[keySize:] {
		a.keys = append(a.keys, (*key)(unsafe.Pointer(&page[0])))
	}
}

// grow adds a page, or reports that there is none: an arena that is locked does not
// go on in memory that is not.
func (a *arena) grow() []byte {
	r, _, err := newRegion(pageSize, a.locked)
	if err != nil {
		return nil
	}
	a.regions = append(a.regions, r)
	return r.Bytes()
}

// takeFrame returns a zeroed frame, and waits for one when as many operations run
// as there are processors or as there is locked memory for.
func (a *arena) takeFrame() *frame {
	select {
	case f := <-a.frames:
		return f
	default:
	}
	a.mu.Lock()
	if a.frameCnt < a.maxFrames {
		if page := a.grow(); page != nil {
			a.addKeys(a.addFrames(page, a.maxFrames))
		} else {
			a.maxFrames = a.frameCnt
		}
	}
	a.mu.Unlock()
	return <-a.frames
}

// giveFrame wipes a frame and takes it back.
func (a *arena) giveFrame(f *frame) {
	*f = frame{}
	a.frames <- f
}

// takeKey returns a zeroed key, or nil when there is no more memory.
func (a *arena) takeKey() *key {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.keys) == 0 {
		page := a.grow()
		if page == nil {
			return nil
		}
		a.addKeys(page)
	}
	k := a.keys[len(a.keys)-1]
	a.keys = a.keys[:len(a.keys)-1]
	return k
}

// giveKey wipes a key and takes it back.
func (a *arena) giveKey(k *key) {
	*k = key{}
	a.mu.Lock()
	a.keys = append(a.keys, k)
	a.mu.Unlock()
}

// alive reports whether all memory is still there: memguard.Purge takes it away.
func (a *arena) alive() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		if !r.IsAlive() {
			return false
		}
	}
	return true
}

// destroy wipes and releases everything. Nothing may be in use.
func (a *arena) destroy() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.regions {
		r.Destroy()
	}
	a.regions, a.keys = nil, nil
}

// inPhraseFrame runs f in locked memory of its own, or in memory that is not locked
// where the kernel refuses.
func inPhraseFrame(f func(*phraseFrame) error) error {
	r, _, err := newRegion(pageSize, false)
	if err != nil {
		return err
	}
	defer r.Destroy()
	page := r.Bytes()
	shield(func() { err = f((*phraseFrame)(unsafe.Pointer(&page[0]))) })
	return err
}
