package secret

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

func typedError(format string, args ...any) error { return fmt.Errorf(format, args...) }

// arrayType splits "T[n]" or "T[]" into T and n, -1 for "[]". base is "" for a type
// that is no array.
func arrayType(kind string) (base string, length int, err error) {
	open := strings.LastIndexByte(kind, '[')
	if open < 0 {
		return "", 0, nil
	}
	inner, closed := strings.CutSuffix(kind[open+1:], "]")
	base = kind[:open]
	if !closed || base == "" {
		return "", 0, typedError("the type %.40q is malformed", kind)
	}
	if inner == "" {
		return base, -1, nil
	}
	n, err := strconv.ParseUint(inner, 10, 31)
	if err != nil || inner[0] == '0' || inner[0] == '+' {
		return "", 0, typedError("the type %.40q is malformed", kind)
	}
	return base, int(n), nil
}

// elementType takes all array brackets off a type, and counts them.
func elementType(kind string) (base string, dimensions int, err error) {
	for {
		inner, _, err := arrayType(kind)
		if err != nil {
			return "", 0, err
		}
		if inner == "" {
			return kind, dimensions, nil
		}
		dimensions++
		if dimensions > maxTypedDepth {
			return "", 0, typedError("the type %.40q has too many dimensions", kind)
		}
		kind = inner
	}
}

// isAtomic reports whether a name is a type that Solidity has by itself.
func isAtomic(kind string) bool {
	switch kind {
	case "bool", "address", "string", "bytes":
		return true
	}
	if _, _, ok := integerType(kind); ok {
		return true
	}
	_, ok := bytesType(kind)
	return ok
}

// integerType reads uint8 to uint256 and int8 to int256.
func integerType(kind string) (bits int, signed, ok bool) {
	digits, unsigned := strings.CutPrefix(kind, "uint")
	if !unsigned {
		if digits, signed = strings.CutPrefix(kind, "int"); !signed {
			return 0, false, false
		}
	}
	bits, ok = smallNumber(digits)
	return bits, signed, ok && bits <= 256 && bits%8 == 0
}

// bytesType reads bytes1 to bytes32.
func bytesType(kind string) (size int, ok bool) {
	digits, ok := strings.CutPrefix(kind, "bytes")
	if !ok {
		return 0, false
	}
	size, ok = smallNumber(digits)
	return size, ok && size <= 32
}

// smallNumber reads 1 to 999 without leading zeros.
func smallNumber(s string) (n int, ok bool) {
	if s == "" || len(s) > 3 || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// encodeAtomic encodes a value of a type that is no array and no struct.
func encodeAtomic(kind string, value any) (word [32]byte, ok bool) {
	if bits, signed, integer := integerType(kind); integer {
		return encodeInteger(bits, signed, value)
	}
	if kind == "bool" {
		b, ok := value.(bool)
		if b {
			word[31] = 1
		}
		return word, ok
	}
	text, ok := value.(string)
	if !ok {
		return word, false
	}
	switch kind {
	case "string":
		return keccak256([]byte(text)), true
	case "address":
		address, ok := parseAddress(text)
		copy(word[12:], address)
		return word, ok
	}
	digits, prefixed := strings.CutPrefix(text, "0x")
	raw, err := hex.DecodeString(digits)
	if !prefixed || err != nil {
		return word, false
	}
	if kind == "bytes" {
		return keccak256(raw), true
	}
	size, ok := bytesType(kind)
	copy(word[:], raw)
	return word, ok && len(raw) == size
}

// encodeInteger encodes a number in 256 bits of two's complement.
func encodeInteger(bits int, signed bool, value any) (word [32]byte, ok bool) {
	n, ok := parseInteger(value)
	if !ok {
		return word, false
	}
	least, most := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(bits))
	if signed {
		most.Rsh(most, 1)
		least.Neg(most)
	}
	if n.Cmp(least) < 0 || n.Cmp(most) >= 0 {
		return word, false
	}
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), 256))
	}
	n.FillBytes(word[:])
	return word, true
}

// parseInteger reads an integer: a JSON number without fraction and exponent, or a
// string of decimal digits or of 0x and hexadecimal digits.
func parseInteger(value any) (*big.Int, bool) {
	text, ok := textOf(value)
	// The longest is a 256-bit number in decimal, with sign; leading zeros are few.
	if !ok || len(text) > 100 {
		return nil, false
	}
	digits, negative := strings.CutPrefix(text, "-")
	base := 10
	if hexadecimal, ok := strings.CutPrefix(digits, "0x"); ok && !negative {
		digits, base = hexadecimal, 16
	}
	if digits == "" || strings.Trim(strings.ToLower(digits), "0123456789abcdef"[:base]) != "" {
		return nil, false
	}
	n, ok := new(big.Int).SetString(digits, base)
	if ok && negative {
		n.Neg(n)
	}
	return n, ok
}
