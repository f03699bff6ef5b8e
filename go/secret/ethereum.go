package secret

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/sha3"
)

// EthereumSignature is r(32) ‖ s(32) ‖ v(1), v being 27 or 28, as wallets and
// ecrecover have it.
type EthereumSignature [65]byte

// String returns the signature in hexadecimal, with 0x.
func (s EthereumSignature) String() string { return "0x" + hex.EncodeToString(s[:]) }

// MarshalText returns String.
func (s EthereumSignature) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// RecoveryID returns which of the two candidate keys signed, 0 or 1 (yParity).
func (s EthereumSignature) RecoveryID() byte { return s[64] - 27 }

// keccak256 is Ethereum's hash, Keccak with the padding from before SHA-3.
func keccak256(parts ...[]byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	for _, part := range parts {
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}

// EthereumAddress returns the account's address of a Secp256k1 key, with 0x and the
// checksum of EIP-55. It answers in a locked store, too. The error is INVALID_INPUT
// for a key of another type.
func (h *Handle) EthereumAddress() (string, error) {
	if err := h.require(Secp256k1, "an Ethereum address"); err != nil {
		return "", err
	}
	public, err := secp256k1.ParsePubKey(h.public)
	if err != nil {
		panic("secret: " + err.Error()) // it was made by this library
	}
	sum := keccak256(public.SerializeUncompressed()[1:])
	return checksumAddress(sum[12:]), nil
}

// checksumAddress writes an address with the letter case of EIP-55.
func checksumAddress(address []byte) string {
	digits := []byte(hex.EncodeToString(address))
	sum := keccak256(digits)
	for i, c := range digits {
		if c >= 'a' && sum[i/2]>>(4*(1-i%2))&0xf >= 8 {
			digits[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(digits)
}

// SignEthereumDigest signs 32 bytes as they are. Whoever lets strangers choose them
// lets strangers spend; SignEthereumMessage and SignTypedData cannot sign a
// transaction. Errors: LOCKED, CLOSED, INVALID_INPUT.
func (h *Handle) SignEthereumDigest(digest [32]byte) (EthereumSignature, error) {
	var signature EthereumSignature
	if err := h.require(Secp256k1, "an Ethereum signature"); err != nil {
		return signature, err
	}
	raw, err := h.Sign(digest[:])
	if err != nil {
		return signature, err
	}
	copy(signature[:], raw)
	// The ids 2 and 3 stand for an r above the group's order, one signature in 2^127.
	signature[64] = 27 + raw[64]&1
	return signature, nil
}

// SignEthereumMessage signs a message as personal_sign does (EIP-191, version 0x45).
func (h *Handle) SignEthereumMessage(message []byte) (EthereumSignature, error) {
	return h.SignEthereumDigest(messageDigest(message))
}

func messageDigest(message []byte) [32]byte {
	return keccak256([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(message))), message)
}

// parseAddress reads 0x and 40 hexadecimal digits; in mixed case they must have the
// checksum of EIP-55.
func parseAddress(s string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(s, "0x")
	address, err := hex.DecodeString(digits)
	if !ok || err != nil || len(address) != 20 {
		return nil, false
	}
	mixed := strings.ToLower(digits) != digits && strings.ToUpper(digits) != digits
	return address, !mixed || checksumAddress(address) == s
}
