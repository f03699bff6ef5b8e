package secret

import (
	"runtime"
	"sync"
	"testing"
)

// TestFrames takes as many frames as there are processors, and waits for one more.
func TestFrames(t *testing.T) {
	const processors = 9
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	a := unlocked(t, Options{}, testMnemonic, "").vault.arena
	var frames []*frame
	seen := map[*frame]bool{}
	for range processors {
		f := a.takeFrame()
		if *f != (frame{}) || seen[f] {
			t.Error("a frame is not empty, or given twice")
		}
		seen[f] = true
		f.data[103] = 1
		frames = append(frames, f)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		f := a.takeFrame()
		if f != frames[3] || *f != (frame{}) {
			t.Error("not the frame that was given back, wiped")
		}
		a.giveFrame(f)
	})
	a.giveFrame(frames[3])
	waiting.Wait()
	if len(a.regions) != 3 || a.frameCnt != processors {
		t.Errorf("%d regions for %d frames", len(a.regions), a.frameCnt)
	}
}

// TestArenaHoldsDistinctMemory gives out all that two pages hold and fills it.
func TestArenaHoldsDistinctMemory(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	a, seed := s.vault.arena, seedOf(t, s)
	var keys []*key
	for len(a.regions) < 3 {
		k := a.takeKey()
		for i := range k.private {
			k.private[i] = byte(len(keys))
			k.prefix[i] = byte(len(keys))
		}
		keys = append(keys, k)
	}
	f, g := a.takeFrame(), a.takeFrame()
	f.node.private[0], g.node.private[0] = 1, 2
	for i, k := range keys {
		if k.private != [32]byte(repeat(i)) || k.prefix != [32]byte(repeat(i)) {
			t.Fatalf("key %d was overwritten", i)
		}
		a.giveKey(k)
		if *k != (key{}) {
			t.Error("a key is not wiped")
		}
	}
	if f.node.private[0] != 1 || string(seedOf(t, s)) != string(seed) {
		t.Error("a frame or the seed was overwritten")
	}
	a.giveFrame(f)
	a.giveFrame(g)
}

func repeat(n int) (out []byte) {
	for range 32 {
		out = append(out, byte(n))
	}
	return out
}
