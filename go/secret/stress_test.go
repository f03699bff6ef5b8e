package secret

import (
	"bytes"
	"crypto/ed25519"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

const (
	// stressOperations is how many operations TestStress does in all, and
	// stressPeriod how many of them a store stays unlocked for.
	stressOperations = 3_000
	stressPeriod     = 150
)

// TestStress uses two stores from many goroutines, over more keys than the cache
// holds, while both are locked and unlocked again with one of two mnemonics. Every
// result must be right for one of them, or LOCKED.
func TestStress(t *testing.T) {
	stores := []*Store{NewStore(Options{CacheSize: 8}), NewStore(Options{CacheSize: 8})}
	mnemonics := []string{testMnemonic, otherMnemonic}
	for _, s := range stores {
		defer s.Close()
		must(t, s.Unlock([]byte(testMnemonic), nil))
	}
	// What each mnemonic makes, to compare with.
	const keys = 20
	publics := map[string]bool{}
	for _, mnemonic := range mnemonics {
		s := unlocked(t, Options{}, mnemonic, "")
		for n := range uint32(keys) {
			publics[string(derive(t, s, DevicePath(n), Ed25519).PublicKey())] = true
			publics[string(derive(t, s, EthereumPath(n), Secp256k1).PublicKey())] = true
		}
	}
	var done, dead atomic.Int64
	var work, lockers sync.WaitGroup
	before := heapInUse()
	const goroutines = 8
	for g := range goroutines {
		work.Go(func() {
			for i := 0; i < stressOperations/goroutines; {
				err := stressOnce(t, stores[(g+i)%2], uint32(i)%keys, i%8, publics)
				switch CodeOf(err) {
				case Locked:
					dead.Add(1)
					runtime.Gosched()
					continue
				case "":
					done.Add(1)
				default:
					t.Error(err)
				}
				i++
			}
		})
	}
	for i, s := range stores {
		lockers.Go(func() {
			for n := i + 1; done.Load() < stressOperations && !t.Failed(); n++ {
				s.Lock()
				if err := s.Unlock([]byte(mnemonics[n%2]), nil); err != nil {
					t.Error(err)
				}
				for enough := min(done.Load()+stressPeriod, stressOperations); done.Load() < enough && !t.Failed(); {
					runtime.Gosched()
				}
			}
		})
	}
	work.Wait()
	lockers.Wait()
	if dead.Load() == 0 {
		t.Error("no operation met a locked store")
	}
	if after := heapInUse(); after > before+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	t.Logf("%d operations done, %d met a locked store", done.Load(), dead.Load())
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// stressOnce derives a key, uses it and checks what came of it.
func stressOnce(t *testing.T, s *Store, n uint32, kind int, publics map[string]bool) error {
	message := []byte{byte(n), byte(kind)}
	switch kind {
	case 0, 2, 4, 6:
		h, err := s.Derive(DevicePath(n), Ed25519)
		if err != nil {
			return err
		}
		signature, err := h.Sign(message)
		if err != nil {
			return err
		}
		if !publics[string(h.PublicKey())] || !ed25519.Verify(h.PublicKey(), message, signature) {
			t.Error("a wrong Ed25519 signature")
		}
	case 1: // the slowest by far
		h, err := s.Derive(EthereumPath(n), Secp256k1)
		if err != nil {
			return err
		}
		digest := messageDigest(message)
		signature, err := h.SignEthereumDigest(digest)
		if err != nil {
			return err
		}
		compact := append([]byte{27 + 4 + signature.RecoveryID()}, signature[:64]...)
		public, _, err := ecdsa.RecoverCompact(compact, digest[:])
		if err != nil || !bytes.Equal(public.SerializeCompressed(), h.PublicKey()) || !publics[string(h.PublicKey())] {
			t.Errorf("a wrong Ethereum signature: %v", err)
		}
	default:
		sealing, err := SealingPath(n + 2)
		must(t, err)
		h, err := s.Derive(sealing, AES256GCM)
		if err != nil {
			return err
		}
		sealed, err := h.Seal(message)
		if err != nil {
			return err
		}
		opened, err := h.Open(sealed)
		if err != nil {
			return err
		}
		if !bytes.Equal(opened, message) {
			t.Error("another plaintext")
		}
	}
	return nil
}
