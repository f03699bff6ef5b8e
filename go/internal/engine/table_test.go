package engine

import (
	"sync"
	"testing"
)

func TestTable(t *testing.T) {
	table := &table[int]{items: map[int64]*int{}}
	one, two := 1, 2
	a, b := table.add(&one), table.add(&two)
	if a == b || table.get(a) != &one || table.get(b) != &two {
		t.Fatalf("handles %d and %d", a, b)
	}
	if table.remove(a) != &one || table.get(a) != nil || table.remove(a) != nil {
		t.Error("a removed handle is still there")
	}
	if c := table.add(&one); c == a {
		t.Error("a handle was used again")
	}
	for _, stale := range []int64{0, -1, 1, 1 << 62} {
		if table.get(stale) != nil || table.remove(stale) != nil {
			t.Errorf("handle %d", stale)
		}
	}
}

func TestTableHandsOutOnce(t *testing.T) {
	table := &table[int]{items: map[int64]*int{}}
	var taken sync.Map
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				handle := table.add(&i)
				if _, twice := taken.LoadOrStore(handle, true); twice {
					t.Errorf("handle %d twice", handle)
				}
				if table.remove(handle) != &i {
					t.Errorf("handle %d", handle)
				}
			}
		})
	}
	all.Wait()
	if len(table.items) != 0 {
		t.Errorf("%d are left", len(table.items))
	}
}
