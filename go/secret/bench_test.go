package secret

import "testing"

func BenchmarkUnlock(b *testing.B) {
	s := NewStore(Options{})
	defer s.Close()
	mnemonic := make([]byte, len(testMnemonic))
	b.ReportAllocs()
	for b.Loop() {
		copy(mnemonic, testMnemonic)
		must(b, s.Unlock(mnemonic, nil))
		s.Lock()
	}
}

// benchmark times an operation on an unlocked store.
func benchmark(b *testing.B, options Options, name cacheKey, operation func(*Store, *Handle) error) {
	s := unlocked(b, options, testMnemonic, "")
	h := derive(b, s, name.path, name.kind)
	b.ReportAllocs()
	for b.Loop() {
		must(b, operation(s, h))
	}
}

func deriveAgain(s *Store, h *Handle) error {
	_, err := s.Derive(h.name.path, h.name.kind)
	return err
}

func BenchmarkDeriveEd25519Cold(b *testing.B) {
	benchmark(b, Options{CacheSize: -1}, cacheKey{IdentityPath(), Ed25519}, deriveAgain)
}

func BenchmarkDeriveSecp256k1Cold(b *testing.B) {
	benchmark(b, Options{CacheSize: -1}, cacheKey{EthereumPath(0), Secp256k1}, deriveAgain)
}

func BenchmarkDeriveCached(b *testing.B) {
	benchmark(b, Options{}, cacheKey{IdentityPath(), Ed25519}, deriveAgain)
}

func BenchmarkSignEd25519(b *testing.B) {
	message := make([]byte, 100)
	benchmark(b, Options{}, cacheKey{IdentityPath(), Ed25519}, func(_ *Store, h *Handle) error {
		_, err := h.Sign(message)
		return err
	})
}

func BenchmarkSignEthereumMessage(b *testing.B) {
	message := make([]byte, 100)
	benchmark(b, Options{}, cacheKey{EthereumPath(0), Secp256k1}, func(_ *Store, h *Handle) error {
		_, err := h.SignEthereumMessage(message)
		return err
	})
}

func BenchmarkSeal1KB(b *testing.B) {
	plaintext := make([]byte, 1024)
	benchmark(b, Options{}, cacheKey{hardened(purpose, 2, 0, 0), AES256GCM}, func(_ *Store, h *Handle) error {
		_, err := h.Seal(plaintext)
		return err
	})
}

func BenchmarkOpen1KB(b *testing.B) {
	s := unlocked(b, Options{}, testMnemonic, "")
	sealed, err := s.Encrypt(make([]byte, 1024), 0)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Decrypt(sealed)
		must(b, err)
	}
}
