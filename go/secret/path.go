package secret

import (
	"strconv"
	"strings"
)

const (
	// maxDepth is how many levels a path may have. Ours have five at most; BIP-32
	// itself allows 255.
	maxDepth = 16
	// hardenedBit marks an index as hardened (BIP-32, "Extended keys").
	hardenedBit = 1 << 31
)

// Path is a derivation path, as in m/44'/60'/0'/0/0. Its zero value is the root,
// "m". Paths can be compared with == and used as map keys; they are not secret.
type Path struct {
	depth   uint8
	indices [maxDepth]uint32
}

// ParsePath reads a path strictly: "m", then at most 16 levels "/" and a decimal
// index below 2^31 without leading zeros, hardened by ', h or H. Anything else is
// INVALID_PATH.
func ParsePath(s string) (Path, error) {
	var p Path
	root, rest, more := strings.Cut(s, "/")
	if root != "m" {
		return Path{}, errorf(InvalidPath, "a path begins with m, as in m/74'/0'/0'/0'")
	}
	for more {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if p.depth == maxDepth {
			return Path{}, errorf(InvalidPath, "the path has more than %d levels", maxDepth)
		}
		index, err := parseIndex(part, int(p.depth)+1)
		if err != nil {
			return Path{}, err
		}
		p.indices[p.depth] = index
		p.depth++
	}
	return p, nil
}

func parseIndex(part string, level int) (uint32, error) {
	digits := strings.TrimRight(part, "'hH")
	if len(part)-len(digits) > 1 {
		return 0, errorf(InvalidPath, "level %d of the path has more than one mark of hardening", level)
	}
	switch {
	case digits == "":
		return 0, errorf(InvalidPath, "level %d of the path is empty", level)
	case strings.ContainsAny(digits, "\u2018\u2019\u02bc\u2032\u00b4`"):
		return 0, errorf(InvalidPath, "level %d of the path has a typographic apostrophe: write ' or h after the number", level)
	case strings.TrimSpace(digits) != digits || strings.ContainsAny(digits, "\u00a0\u200b\ufeff"):
		return 0, errorf(InvalidPath, "level %d of the path is not a decimal number: there is a space in it", level)
	case strings.Trim(digits, "0123456789") != "":
		return 0, errorf(InvalidPath, "level %d of the path is not a decimal number", level)
	case len(digits) > 1 && digits[0] == '0':
		return 0, errorf(InvalidPath, "level %d of the path has a leading zero", level)
	}
	index, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0, errorf(InvalidPath, "level %d of the path is too large: the largest index is 2147483647", level)
	}
	if len(digits) < len(part) {
		index |= hardenedBit
	}
	return uint32(index), nil
}

// String returns the path with ' for hardened levels.
func (p Path) String() string {
	s := []byte{'m'}
	for _, index := range p.indices[:p.depth] {
		s = append(s, '/')
		s = strconv.AppendUint(s, uint64(index&^hardenedBit), 10)
		if index&hardenedBit != 0 {
			s = append(s, '\'')
		}
	}
	return string(s)
}

// MarshalText returns String.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePath.
func (p *Path) UnmarshalText(text []byte) error {
	parsed, err := ParsePath(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// levels returns the indices, hardened ones with their bit.
func (p *Path) levels() []uint32 { return p.indices[:p.depth] }

// requireHardened refuses what SLIP-0010 has no key for.
func (p *Path) requireHardened() error {
	for i, index := range p.levels() {
		if index&hardenedBit == 0 {
			return errorf(InvalidPath, "level %d of the path is not hardened, and keys of this type have hardened levels only: write %d'", i+1, index)
		}
	}
	return nil
}

// hardened makes the path of the given indices, all hardened and below 2^31.
func hardened(indices ...uint32) Path {
	var p Path
	for _, index := range indices {
		p.indices[p.depth] = index | hardenedBit
		p.depth++
	}
	return p
}

// The first index of every path that is this project's own.
const purpose = 74

// IdentityPath is the node's principal key, m/74'/0'/0'/0', of type Ed25519.
func IdentityPath() Path { return DevicePath(0) }

// DevicePath is the key of device n, m/74'/0'/0'/n', of type Ed25519. The bit 2^31
// of n is ignored.
func DevicePath(n uint32) Path { return hardened(purpose, 0, 0, n) }

// SSHHostKeyPath is the node's SSH host key, m/74'/0'/1'/0', of type Ed25519.
func SSHHostKeyPath() Path { return hardened(purpose, 0, 1, 0) }

// EthereumPath is the Ethereum account n, m/44'/60'/0'/0/n (BIP-44), of type
// Secp256k1. The bit 2^31 of n is ignored.
func EthereumPath(n uint32) Path {
	p := hardened(44, 60, 0)
	p.depth = 5
	p.indices[4] = n &^ hardenedBit
	return p
}
