package engine

import (
	"sync"

	"github.com/alkdev/alknet/go/secret"
)

const (
	// MaxAttachment holds the largest value that a store seals, as EncryptedData.
	MaxAttachment  = secret.MaxPlaintext/3*4 + 64<<10 // bytes
	maxAttachments = 64                               // that wait for their command
	maxAttached    = 2 * MaxAttachment                // bytes of them together
)

// attachments are bytes that came beside the text of commands, secrets most of
// all. Each is taken once, by the command that names it, which wipes it.
type attachments struct {
	mu    sync.Mutex
	next  int64
	size  int // of all items
	items map[int64][]byte
}

func (a *attachments) add(data []byte) (id int64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.items) >= maxAttachments || a.size+len(data) > maxAttached {
		clear(data)
		return 0, false
	}
	if a.items == nil {
		a.items = map[int64][]byte{}
	}
	a.next++
	a.items[a.next] = data
	a.size += len(data)
	return a.next, true
}

// take removes an attachment; nil for id 0 and for one that is not there.
func (a *attachments) take(id int64) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	data := a.items[id]
	a.size -= len(data)
	delete(a.items, id)
	return data
}

// wipe forgets all that nobody took.
func (a *attachments) wipe() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, data := range a.items {
		clear(data)
	}
	a.items, a.size = nil, 0
}
