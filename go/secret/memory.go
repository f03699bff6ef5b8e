package secret

import (
	"os"
	"sync"

	"github.com/awnumar/memcall"
)

// region is a stretch of memory between two inaccessible pages, left out of core
// dumps where the system can do that, and locked against swapping unless it is
// said not to be. It is page-aligned and zeroed when new.
type region interface {
	// Bytes is the memory. It is gone after Destroy: touching it then is a crash.
	Bytes() []byte
	// IsAlive reports whether Bytes may be touched.
	IsAlive() bool
	// Destroy wipes and releases the memory. Only the first call does anything.
	Destroy()
}

// pageSize is the smallest region.
var pageSize = os.Getpagesize()

// newRegion makes a region of a number of bytes, a multiple of the page size.
// Where the kernel refuses to lock that much, locked is false; with required the
// refusal is the error MEMORY_LOCK.
func newRegion(size int, required bool) (r region, locked bool, err error) {
	r, locked, err = allocate(size)
	switch {
	case err != nil:
		return nil, false, err
	case required && !locked:
		r.Destroy()
		return nil, false, errorf(MemoryLock, "the system refuses to lock %d bytes of memory: raise its limit (RLIMIT_MEMLOCK, `ulimit -l`)", size)
	}
	return r, locked, nil
}

// pages is a region made with memcall alone.
type pages struct {
	mu     sync.Mutex
	all    []byte // with the guards
	inner  []byte
	locked bool
}

// newPages makes a region and tries to lock it.
func newPages(size int) (*pages, error) {
	all, err := memcall.Alloc(size + 2*pageSize)
	if err != nil {
		return nil, errorf(MemoryLock, "the system gives no memory")
	}
	p := &pages{all: all, inner: all[pageSize : pageSize+size : pageSize+size]}
	// Lock also leaves the pages out of core dumps, and does that before it fails.
	p.locked = memcall.Lock(p.inner) == nil
	for _, guard := range [][]byte{all[:pageSize], all[pageSize+size:]} {
		if err := memcall.Protect(guard, memcall.NoAccess()); err != nil {
			p.Destroy()
			return nil, errorf(MemoryLock, "the system does not protect memory")
		}
	}
	return p, nil
}

func (p *pages) Bytes() []byte { return p.inner }

func (p *pages) IsAlive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all != nil
}

func (p *pages) Destroy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		return
	}
	clear(p.inner)
	if p.locked {
		_ = memcall.Unlock(p.inner)
	}
	_ = memcall.Free(p.all) // wipes again, guards included
	p.all, p.inner = nil, nil
}
