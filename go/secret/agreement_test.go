package secret

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"
)

// TestAgreement compares with what independent libraries make of random input:
// testdata/agreement.mjs names them and writes the file.
func TestAgreement(t *testing.T) {
	var file struct {
		Derivations []struct {
			List                 Wordlist
			Mnemonic, Passphrase string
			Seed                 hexBytes
			Ed25519              struct {
				Path            Path
				Private, Public hexBytes
			}
			Secp256k1 struct {
				Path                                Path
				Private, Public, Message, Digest    hexBytes
				MessageDigest                       hexBytes
				Address, Signature, DigestSignature string
			}
		}
		TypedData []struct {
			Data   json.RawMessage
			Digest hexBytes
		}
	}
	readVectors(t, "agreement.json", &file)
	if len(file.Derivations) != 126 || len(file.TypedData) != 120 {
		t.Fatalf("%d derivations and %d typed data", len(file.Derivations), len(file.TypedData))
	}
	for i, v := range file.Derivations {
		if list, err := ValidateMnemonic([]byte(v.Mnemonic)); err != nil || list != v.List && !chinese(list, v.List) {
			t.Errorf("%d: %s, %v, want %s", i, list, err, v.List)
		}
		s := unlocked(t, Options{}, v.Mnemonic, v.Passphrase)
		if !bytes.Equal(seedOf(t, s), v.Seed) {
			t.Errorf("%d: another seed", i)
		}
		ed, err := s.Derive(v.Ed25519.Path, Ed25519)
		must(t, err)
		private, err := ed.ExportPrivateKey()
		if err != nil || !bytes.Equal(private, v.Ed25519.Private) || !bytes.Equal(ed.PublicKey(), v.Ed25519.Public) {
			t.Errorf("%d: another Ed25519 key at %s", i, v.Ed25519.Path)
		}
		want := v.Secp256k1
		h, err := s.Derive(want.Path, Secp256k1)
		must(t, err)
		private, err = h.ExportPrivateKey()
		if err != nil || !bytes.Equal(private, want.Private) || !bytes.Equal(h.PublicKey(), want.Public) {
			t.Errorf("%d: another secp256k1 key at %s", i, want.Path)
		}
		address, err := h.EthereumAddress()
		if err != nil || address != want.Address {
			t.Errorf("%d: address %s, want %s", i, address, want.Address)
		}
		if digest := messageDigest(want.Message); !bytes.Equal(digest[:], want.MessageDigest) {
			t.Errorf("%d: message digest %x", i, digest)
		}
		signature, err := h.SignEthereumMessage(want.Message)
		if err != nil || signature.String() != want.Signature {
			t.Errorf("%d: message signature %s, want %s", i, signature, want.Signature)
		}
		signature, err = h.SignEthereumDigest([32]byte(want.Digest))
		if err != nil || signature.String() != want.DigestSignature {
			t.Errorf("%d: digest signature %s, want %s", i, signature, want.DigestSignature)
		}
	}
	for i, v := range file.TypedData {
		digest, err := TypedDataDigest(v.Data)
		if err != nil || !bytes.Equal(digest[:], v.Digest) {
			t.Errorf("typed data %d: %s, %v, want %s\n%s", i, hex.EncodeToString(digest[:]), err, hex.EncodeToString(v.Digest), v.Data)
		}
	}
}

// chinese reports whether both are Chinese: a phrase can be one of both lists.
func chinese(a, b Wordlist) bool {
	is := func(list Wordlist) bool { return list == ChineseSimplified || list == ChineseTraditional }
	return is(a) && is(b)
}
