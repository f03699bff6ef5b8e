package engine

import (
	"fmt"
	"testing"
)

// An event may come for a request that has ended and whose end is not told yet: the end
// must be told all the same, or the handler waits for ever.
func TestEventBetweenTheEndAndItsTelling(t *testing.T) {
	p := open(t)
	p.world()
	p.send("handle\t1\t1\t{\"name\":\"/a/events\",\"type\":\"subscription\"}")
	p.wants(kindCompleted, 1, "")
	p.send("S\tn2\t2\t/a/events\t{\"window\":2}\tnull")
	r := p.next(kindRequest)
	request := p.env.incoming.get(r.handle)
	p.send("A\t2\t\"enough\"")
	p.wants(kindCancelled, r.handle, `"aborted"`)

	// As it is in between: ended, and still in the table.
	p.env.incoming.mu.Lock()
	p.env.incoming.items[r.handle] = request
	p.env.incoming.mu.Unlock()
	p.send(fmt.Sprintf("E\t%d\t1", r.handle))
	if p.env.incoming.get(r.handle) == nil {
		t.Fatal("the event has taken the request from those whose end is to be told")
	}
	p.env.incoming.remove(r.handle)
}
