package share

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestShares(t *testing.T) {
	for size, most := range map[int]int{1: 1, 2: 1, 3: 2, 4: 3, 8: 6, 16: 12} {
		p, taken := New(size), 0
		for p.TryTake("a") {
			taken++
		}
		if taken != most {
			t.Errorf("of %d places one caller takes %d, want %d", size, taken, most)
		}
		if size > 1 && !p.TryTake("b") {
			t.Errorf("of %d places none is left for another caller", size)
		}
		if size == 1 && p.TryTake("b") {
			t.Error("one place was taken twice")
		}
	}
}

func TestTurns(t *testing.T) {
	p := New(2)
	ctx, cancel := context.WithCancel(context.Background())
	if !p.TryTake("a") {
		t.Fatal("no place")
	}
	var waiting sync.WaitGroup
	got := make(chan string, 3)
	wait := func(ctx context.Context, caller string) {
		before := p.waits()
		waiting.Go(func() {
			if err := p.Take(ctx, caller); err == nil {
				got <- caller
			}
		})
		for p.waits() == before && len(got) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	wait(ctx, "a")                  // has its share
	wait(context.Background(), "b") // goes first
	if first := <-got; first != "b" {
		t.Fatalf("%s came first", first)
	}
	p.Give("b")
	p.Give("a")
	if next := <-got; next != "a" {
		t.Fatalf("then came %s", next)
	}
	wait(ctx, "a")
	cancel()
	waiting.Wait()
	p.Give("a")
	if p.waits() != 0 || p.free != p.size || len(p.held) != 0 {
		t.Errorf("%d wait, %d are free, %v held", p.waits(), p.free, p.held)
	}
}

func (p *Places) waits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting.Len()
}

// Places are neither lost nor made, whoever gives up.
func TestPlacesStay(t *testing.T) {
	p := New(5)
	var work sync.WaitGroup
	for i := range 200 {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%7)*time.Millisecond)
			defer cancel()
			caller := fmt.Sprint(i % 4)
			if p.Take(ctx, caller) == nil {
				p.Give(caller)
			}
		})
	}
	work.Wait()
	if p.free != 5 || len(p.held) != 0 || p.waits() != 0 {
		t.Errorf("%d are free, %v held, %d wait", p.free, p.held, p.waits())
	}
}
