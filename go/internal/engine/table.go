package engine

import "sync"

// table gives integer handles to values, which are never reused.
type table[T any] struct {
	mu    sync.RWMutex
	next  int64
	items map[int64]*T
}

func (t *table[T]) add(item *T) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	t.items[t.next] = item
	return t.next
}

func (t *table[T]) get(handle int64) *T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.items[handle]
}

func (t *table[T]) remove(handle int64) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	item := t.items[handle]
	delete(t.items, handle)
	return item
}
