package secret

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The vectors under testdata say in themselves where they come from and what
// verified them.

func readVectors(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	must(t, json.Unmarshal(data, into))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hexBytes is a hexadecimal string of a vector.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func path(t testing.TB, s string) Path {
	t.Helper()
	p, err := ParsePath(s)
	must(t, err)
	return p
}

func unlocked(t testing.TB, options Options, mnemonic, passphrase string) *Store {
	t.Helper()
	s := NewStore(options)
	t.Cleanup(s.Close)
	must(t, s.Unlock([]byte(mnemonic), []byte(passphrase)))
	return s
}

func seedOf(t testing.TB, s *Store) []byte {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return bytes.Clone(s.vault.arena.seed[:])
}

// seeded makes an unlocked store with a seed of any length that HMAC would take for
// a 64-byte one.
func seeded(t testing.TB, seed []byte) *Store {
	t.Helper()
	s := NewStore(Options{})
	t.Cleanup(s.Close)
	must(t, s.unlock(func(f *phraseFrame) error {
		copy(f.seed[:], seed)
		return nil
	}))
	return s
}

func TestMnemonicVectors(t *testing.T) {
	var file struct {
		Vectors []struct {
			ID, Mnemonic, Passphrase string
			Entropy, Seed            hexBytes
		}
	}
	readVectors(t, "bip39-english.json", &file)
	for _, v := range file.Vectors {
		must(t, inPhraseFrame(func(f *phraseFrame) error {
			copy(f.entropy[:], v.Entropy)
			words := len(v.Entropy) * 3 / 4
			f.setEntropy(words, dictionaries[0])
			if got := string(f.text(dictionaries[0])); got != v.Mnemonic {
				t.Errorf("%s: mnemonic %q", v.ID, got)
			}
			return nil
		}))
		if list, err := ValidateMnemonic([]byte(v.Mnemonic)); err != nil || list != English {
			t.Errorf("%s: %v %v", v.ID, list, err)
		}
		s := unlocked(t, Options{}, v.Mnemonic, v.Passphrase)
		if !bytes.Equal(seedOf(t, s), v.Seed) {
			t.Errorf("%s: another seed", v.ID)
		}
	}
	if len(file.Vectors) != 12 {
		t.Errorf("%d vectors", len(file.Vectors))
	}
}

func TestDerivationVectors(t *testing.T) {
	type step struct {
		Path       string
		ChainCode  hexBytes `json:"chain_code"`
		PrivateKey hexBytes `json:"private_key"`
		PublicKey  hexBytes `json:"public_key"`
	}
	for file, kind := range map[string]KeyType{"slip10-ed25519.json": Ed25519, "bip32-secp256k1.json": Secp256k1} {
		var vectors struct {
			Vectors []struct {
				ID    string
				Seed  hexBytes
				Chain []step
			}
		}
		readVectors(t, file, &vectors)
		if len(vectors.Vectors) == 0 {
			t.Errorf("%s is empty", file)
		}
		for _, v := range vectors.Vectors {
			for _, step := range v.Chain {
				f := new(frame)
				derive := slip10
				if kind == Secp256k1 {
					derive = bip32
				}
				must(t, derive(f, v.Seed, path(t, step.Path)))
				f.key.private = f.node.private
				public := publicKeyOf(f, kind)
				if !bytes.Equal(f.node.private[:], step.PrivateKey) || !bytes.Equal(f.node.chain[:], step.ChainCode) || !bytes.Equal(public, step.PublicKey) {
					t.Errorf("%s %s: another key", v.ID, step.Path)
				}
			}
		}
	}
}

func publicKeyOf(f *frame, kind KeyType) []byte {
	if kind == Secp256k1 {
		f.d.SetByteSlice(f.key.private[:])
		return publicKey(f)
	}
	return expandEd25519(f)
}

func TestStoreVectors(t *testing.T) {
	type keyVector struct {
		Path       string
		PrivateKey hexBytes `json:"private_key"`
		PublicKey  hexBytes `json:"public_key"`
		Address    string
	}
	var derive, ethereum struct {
		Vectors []struct {
			ID, Mnemonic, Passphrase string
			Seed                     hexBytes
			Keys                     []keyVector
			keyVector
		}
	}
	readVectors(t, "derive.json", &derive)
	readVectors(t, "ethereum.json", &ethereum)
	count := 0
	for _, v := range append(derive.Vectors, ethereum.Vectors...) {
		s := unlocked(t, Options{}, v.Mnemonic, v.Passphrase)
		if !bytes.Equal(seedOf(t, s), v.Seed) {
			t.Errorf("%s: another seed", v.ID)
		}
		keys, kind := v.Keys, Ed25519
		if v.Address != "" {
			keys, kind = []keyVector{v.keyVector}, Secp256k1
		}
		for _, want := range keys {
			count++
			h, err := s.Derive(path(t, want.Path), kind)
			must(t, err)
			private, err := h.ExportPrivateKey()
			must(t, err)
			if !bytes.Equal(private, want.PrivateKey) || !bytes.Equal(h.PublicKey(), want.PublicKey) || h.Type() != kind || h.Path().String() != want.Path {
				t.Errorf("%s %s: another key", v.ID, want.Path)
			}
			if kind == Secp256k1 {
				if address, err := h.EthereumAddress(); err != nil || address != want.Address {
					t.Errorf("%s %s: address %s, %v", v.ID, want.Path, address, err)
				}
			}
		}
	}
	if count != 30 {
		t.Errorf("%d keys", count)
	}
}

func TestEncryptedDataVectors(t *testing.T) {
	type record struct {
		ID, Path  string
		Plaintext hexBytes `json:"plaintext_hex"`
		Key       hexBytes
		Encrypted json.RawMessage
	}
	var file struct {
		Mnemonic          string
		Vectors, Tampered []record
	}
	readVectors(t, "encrypted-data.json", &file)
	if len(file.Vectors) != 5 || len(file.Tampered) != 4 {
		t.Fatalf("%d and %d vectors", len(file.Vectors), len(file.Tampered))
	}
	s := unlocked(t, Options{}, file.Mnemonic, "")
	for _, v := range file.Vectors {
		data, err := ParseEncryptedData(v.Encrypted)
		must(t, err)
		plaintext, err := s.Decrypt(data)
		if err != nil || !bytes.Equal(plaintext, v.Plaintext) {
			t.Errorf("%s: %q, %v", v.ID, plaintext, err)
		}
		again, err := json.Marshal(data)
		must(t, err)
		var compact bytes.Buffer
		must(t, json.Compact(&compact, v.Encrypted))
		if !bytes.Equal(again, compact.Bytes()) {
			t.Errorf("%s: encodes as %s", v.ID, again)
		}
		sealing, err := SealingPath(data.KeyVersion)
		must(t, err)
		h, err := s.Derive(sealing, AES256GCM)
		must(t, err)
		private, err := h.ExportPrivateKey()
		if err != nil || sealing.String() != v.Path || !bytes.Equal(private, v.Key) {
			t.Errorf("%s: key at %s, %v", v.ID, sealing, err)
		}
	}
	for _, v := range file.Tampered {
		data, err := ParseEncryptedData(v.Encrypted)
		must(t, err)
		if _, err := s.Decrypt(data); err != errDecryption {
			t.Errorf("%s: %v", v.ID, err)
		}
	}
}

func TestTokenVectors(t *testing.T) {
	var file struct {
		Valid []struct {
			ID, Timestamp, Token string
			Seed                 hexBytes
			PublicKey            hexBytes `json:"public_key"`
		}
	}
	readVectors(t, "authtoken.json", &file)
	if len(file.Valid) != 5 {
		t.Fatalf("%d vectors", len(file.Valid))
	}
	s := seeded(t, make([]byte, 64))
	for _, v := range file.Valid {
		h := planted(t, s, v.Seed)
		if !bytes.Equal(h.PublicKey(), v.PublicKey) {
			t.Errorf("%s: another public key", v.ID)
		}
		seconds, err := strconv.ParseUint(v.Timestamp, 10, 64)
		must(t, err)
		token, err := h.AuthToken(time.Unix(int64(seconds), 0))
		if err != nil || token != v.Token {
			t.Errorf("%s: %s, %v", v.ID, token, err)
		}
	}
}

// planted puts an Ed25519 key into a store's cache as if it were derived.
func planted(t testing.TB, s *Store, seed []byte) *Handle {
	t.Helper()
	f := new(frame)
	copy(f.key.private[:], seed)
	h := &Handle{store: s, vault: s.vault, name: cacheKey{hardened(uint32(seed[0])), Ed25519}, public: expandEd25519(f)}
	s.vault.cache.put(h.name, &f.key, h.public)
	return h
}

// TestEd25519AgreesWithTheStandardLibrary compares keys and signatures, which are
// deterministic, byte by byte.
func TestEd25519AgreesWithTheStandardLibrary(t *testing.T) {
	random := newRandom(t)
	for range 500 {
		seed, message := random.bytes(32), random.bytes(random.IntN(300))
		f := new(frame)
		copy(f.key.private[:], seed)
		public := expandEd25519(f)
		standard := ed25519.NewKeyFromSeed(seed)
		if !bytes.Equal(public, standard[32:]) || !bytes.Equal(signEd25519(f, public, message), ed25519.Sign(standard, message)) {
			t.Fatalf("seed %x, message %x", seed, message)
		}
	}
}
