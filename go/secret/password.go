package secret

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CharClass is a set of kinds of characters.
type CharClass uint8

// The classes. A password with several has at least one character of each.
const (
	Lower   CharClass = 1 << iota // a to z
	Upper                         // A to Z
	Digits                        // 0 to 9
	Symbols                       // !#$%&*+-./:=?@^_~

	AllClasses = Lower | Upper | Digits | Symbols
)

// The characters of each class, in the order in which they form the alphabet. They
// are part of what "v1" in the password's info means and cannot change.
var classChars = [...]string{
	"abcdefghijklmnopqrstuvwxyz",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"0123456789",
	"!#$%&*+-./:=?@^_~",
}

// PasswordPolicy is what a site asks of a password. The zero value means 20
// characters of all classes, about 125 bits.
type PasswordPolicy struct {
	// Length in characters: default 20, from 4 to 128.
	Length int
	// Classes: default AllClasses.
	Classes CharClass
}

const (
	defaultPasswordLength = 20
	minPasswordLength     = 4
	maxPasswordLength     = 128
	maxPasswordBytes      = 255 * sha256.Size // all that HKDF gives (RFC 5869, section 2.3)
	maxSite               = 1024              // bytes

	passwordInfo = "alknet password v1"
)

func (p PasswordPolicy) withDefaults() (PasswordPolicy, error) {
	if p.Length == 0 {
		p.Length = defaultPasswordLength
	}
	if p.Classes == 0 {
		p.Classes = AllClasses
	}
	if p.Length < minPasswordLength || p.Length > maxPasswordLength {
		return p, errorf(InvalidInput, "a password has from %d to %d characters", minPasswordLength, maxPasswordLength)
	}
	if p.Classes&^AllClasses != 0 {
		return p, errorf(InvalidInput, "the password's classes are lower, upper, digits and symbols")
	}
	return p, nil
}

// PasswordPath returns the path of a site's password key, m/74'/1'/0'/h', h being
// the first 31 bits of SHA-256 of the site's name, in NFKC and lower case. A name
// that is empty, not UTF-8 or longer than 1,024 bytes is INVALID_INPUT.
func PasswordPath(site string) (Path, error) {
	if site == "" || len(site) > maxSite || !utf8.ValidString(site) {
		return Path{}, errorf(InvalidInput, "the site's name must have 1 to %d bytes of UTF-8", maxSite)
	}
	// Lower case may undo NFKC, so once more.
	name := norm.NFKC.String(strings.ToLower(norm.NFKC.String(site)))
	sum := sha256.Sum256([]byte(name))
	return hardened(purpose, 1, 0, binary.BigEndian.Uint32(sum[:4])>>1), nil
}

// hkdfStream gives the bytes of HKDF-SHA-256 (RFC 5869) of a key, without salt, one
// block at a time in the frame.
type hkdfStream struct {
	f       *frame
	mac     *mac
	prk     []byte // in f.node
	block   []byte // T(n), in f.node
	counter byte
	unread  []byte
}

func newHKDF(f *frame) *hkdfStream {
	s := &hkdfStream{f: f, mac: newMAC(sha256.New, f.block[:]), prk: f.node.private[:], block: f.node.chain[:]}
	s.mac.setKey(nil)
	s.mac.write(f.key.private[:])
	s.mac.sum(s.prk)
	return s
}

// next returns the next byte; ok is false past the last that HKDF has.
func (s *hkdfStream) next() (b byte, ok bool) {
	if len(s.unread) == 0 {
		if s.counter == 255 {
			return 0, false
		}
		s.mac.setKey(s.prk)
		if s.counter > 0 {
			s.mac.write(s.block)
		}
		s.counter++
		s.mac.write([]byte(passwordInfo), []byte{s.counter})
		s.mac.sum(s.block)
		s.unread = s.block
	}
	b, s.unread = s.unread[0], s.unread[1:]
	return b, true
}

func (s *hkdfStream) wipe() { s.mac.wipe() }

// passwordBytes fills out, at most maxPasswordBytes, from f.key.
func passwordBytes(f *frame, out []byte) {
	s := newHKDF(f)
	defer s.wipe()
	for i := range out {
		out[i], _ = s.next()
	}
}

// passwordText fills out with a password made from f.key. Each character takes the
// next byte of the stream that is below the largest multiple of the alphabet's size,
// modulo that size. A password that lacks a class is dropped and the next one made
// from the bytes that follow: so all that the policy allows are equally likely.
func passwordText(f *frame, policy PasswordPolicy, out []byte) error {
	var chars strings.Builder // not secret
	var classOf []CharClass
	for i, class := range classChars {
		if policy.Classes&(1<<i) != 0 {
			chars.WriteString(class)
			for range len(class) {
				classOf = append(classOf, 1<<i)
			}
		}
	}
	alphabet := chars.String()
	limit := 256 / len(alphabet) * len(alphabet)
	s := newHKDF(f)
	defer s.wipe()
	for {
		seen := CharClass(0)
		for i := 0; i < len(out); {
			b, ok := s.next()
			if !ok {
				// The likeliest policy to get here, 4 characters of 4 classes, does
				// so for fewer than one key in 2^100.
				clear(out)
				return errorf(InvalidInput, "no password of this length with all these classes was found: take a longer one")
			}
			if int(b) < limit {
				n := int(b) % len(alphabet)
				out[i] = alphabet[n]
				seen |= classOf[n]
				i++
			}
		}
		if seen == policy.Classes {
			return nil
		}
	}
}
