package engine

import (
	"fmt"
	"strings"
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
	p.wants(kindCancelled, r.handle, `"ABORTED"`)

	// As it is in between: ended, and still in the table.
	p.env.incoming.mu.Lock()
	p.env.incoming.items[r.handle] = request
	p.env.incoming.mu.Unlock()
	p.send(fmt.Sprintf("E\t%d\t1", r.handle))
	p.wants(kindCancelled, r.handle, `"ABORTED"`)
	if p.env.incoming.get(r.handle) != nil {
		t.Fatal("it would be told twice")
	}
}

// An event that cannot be sent ends its request, and the handler must hear of it: only
// that stops it.
func TestEventThatCannotBeSent(t *testing.T) {
	p := open(t)
	p.world()
	p.send(`handle	1	1	{"name":"/a/events","type":"subscription"}`)
	p.wants(kindCompleted, 1, "")
	large := `"` + strings.Repeat("x", 17<<20) + `"`
	for i, c := range []struct{ name, options, events string }{
		{"more than the window", `{"window":1}`, "1 2"},
		{"more than wait for a caller without a window", "", strings.Repeat("1 ", 5000)},
		{"larger than a frame", `{"window":9}`, large},
	} {
		t.Log(c.name)
		p.send(fmt.Sprintf("S\tn2\t%d\t/a/events\t%s\tnull", 10+i, c.options))
		r := p.next(kindRequest)
		var batch []string
		for _, event := range strings.Fields(c.events) {
			batch = append(batch, fmt.Sprintf("E\t%d\t%s", r.handle, event))
		}
		p.send(batch...)
		p.wants(kindCancelled, r.handle, "RESOURCE_EXHAUSTED")
		p.wants(kindError, int64(10+i), "RESOURCE_EXHAUSTED")
	}
}
