//go:build !alknet_addon

package secret

import (
	"sync"

	"github.com/awnumar/memguard"
)

// allocating keeps allocations apart, so that what one finds out about the
// kernel's limit is still true when it allocates.
var allocating sync.Mutex

// allocate makes a region with memguard. When the kernel refuses to lock memory,
// memguard destroys every buffer of the process and panics (and its Enclaves, not
// used here, wait for themselves for ever). So the kernel is asked first, with
// memcall, for a page more than is needed; where it refuses, memcall is used in
// memguard's place. A refusal in spite of that takes somebody else in the process
// who locks the rest in the same microseconds. It is caught, and every store whose
// memory went with it answers LOCKED from then on; an operation that is under way in
// that moment crashes. In our binary nobody else locks memory.
func allocate(size int) (r region, locked bool, err error) {
	allocating.Lock()
	defer allocating.Unlock()
	probe, err := newPages(size + pageSize)
	if err != nil {
		return nil, false, err
	}
	locked = probe.locked
	probe.Destroy()
	if locked {
		if buffer := newBuffer(size); buffer != nil {
			return buffer, true, nil
		}
	}
	p, err := newPages(size)
	if err != nil {
		return nil, false, err
	}
	return p, p.locked, nil
}

// newBuffer is memguard.NewBuffer, or nil where that panics.
func newBuffer(size int) (buffer *memguard.LockedBuffer) {
	defer func() {
		if recover() != nil {
			buffer = nil
		}
	}()
	return memguard.NewBuffer(size)
}
