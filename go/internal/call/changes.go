package call

import "sync"

// changes are those who want to know when the operations of a registry change.
type changes struct {
	mu      sync.Mutex
	next    int
	watches map[int]func()
}

// OnChange has f called after each change of what can be called here: operations
// that come and go, of this node and, by Changed, of others. f must not block.
// stop ends that.
func (r *Registry) OnChange(f func()) (stop func()) {
	c := &r.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches == nil {
		c.watches = map[int]func(){}
	}
	c.next++
	n := c.next
	c.watches[n] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watches, n)
	}
}

// Changed tells those who watch the registry; a Router calls it.
func (r *Registry) Changed() {
	c := &r.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.watches {
		f()
	}
}
