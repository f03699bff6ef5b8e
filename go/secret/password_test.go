package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"strings"
	"testing"

	xhkdf "golang.org/x/crypto/hkdf"
)

// TestPasswordVectors fixes the first version: a change here changes every user's
// passwords.
func TestPasswordVectors(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	for _, c := range []struct {
		site   string
		policy PasswordPolicy
		want   string
	}{
		{"example.com", PasswordPolicy{}, "gcwObS8w#I~+2WRlyvVD"},
		{"example.com", PasswordPolicy{Length: 8, Classes: Digits}, "76019120"},
		{"example.com", PasswordPolicy{Length: 32, Classes: Lower | Digits}, "5gq3lbwyaffukzthzy9lhmcdsyv67zrg"},
		{"example.org", PasswordPolicy{Length: 4}, "Qz$1"},
	} {
		got, err := s.Password(c.site, c.policy)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %+v: %s, %v, want %s", c.site, c.policy, got, err, c.want)
		}
		if want := referencePassword(t, s, c.site, c.policy); string(got) != want {
			t.Errorf("%s %+v: %s, the reference says %s", c.site, c.policy, got, want)
		}
	}
	raw, err := s.PasswordBytes("example.com", 16)
	if got := hex.EncodeToString(raw); err != nil || got != "f706a0657701ca3cb4dd71ece2857f2b" {
		t.Errorf("bytes %s, %v", got, err)
	}
}

// referencePassword is the rule of passwordText again, from its description alone,
// with another HKDF.
func referencePassword(t *testing.T, s *Store, site string, policy PasswordPolicy) string {
	t.Helper()
	policy, err := policy.withDefaults()
	must(t, err)
	p, err := PasswordPath(site)
	must(t, err)
	key, err := derive(t, s, p, AES256GCM).ExportPrivateKey()
	must(t, err)
	stream := xhkdf.New(sha256.New, key, nil, []byte("alknet password v1"))
	var classes []string
	for i, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!#$%&*+-./:=?@^_~"} {
		if policy.Classes>>i&1 == 1 {
			classes = append(classes, class)
		}
	}
	alphabet := strings.Join(classes, "")
	for {
		password := ""
		for len(password) < policy.Length {
			var b [1]byte
			_, err := io.ReadFull(stream, b[:])
			must(t, err)
			if int(b[0]) < 256-256%len(alphabet) {
				password += string(alphabet[int(b[0])%len(alphabet)])
			}
		}
		complete := true
		for _, class := range classes {
			complete = complete && strings.ContainsAny(password, class)
		}
		if complete {
			return password
		}
	}
}

func TestPasswordPolicies(t *testing.T) {
	random := newRandom(t)
	s := seeded(t, random.bytes(64))
	for classes := CharClass(1); classes <= AllClasses; classes++ {
		for _, length := range []int{4, 5, 16, 128} {
			site := hex.EncodeToString(random.bytes(4))
			policy := PasswordPolicy{Length: length, Classes: classes}
			got, err := s.Password(site, policy)
			must(t, err)
			if string(got) != referencePassword(t, s, site, policy) || len(got) != length {
				t.Errorf("%+v: %s", policy, got)
			}
		}
	}
	for _, policy := range []PasswordPolicy{{Length: 3}, {Length: 129}, {Length: -1}, {Classes: 16}} {
		_, err := s.Password("site", policy)
		wantCode(t, "policy", err, InvalidInput)
	}
	for _, site := range []string{"", "\xff", strings.Repeat("x", 1025)} {
		_, err := s.Password(site, PasswordPolicy{})
		wantCode(t, "site", err, InvalidInput)
	}
	for _, length := range []int{-1, 0, 8161} {
		_, err := s.PasswordBytes("site", length)
		wantCode(t, "length", err, InvalidInput)
	}
}

func TestPasswordBytesAreHKDF(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	p, err := PasswordPath("example.com")
	must(t, err)
	key, err := derive(t, s, p, AES256GCM).ExportPrivateKey()
	must(t, err)
	for _, length := range []int{1, 31, 32, 33, 100, 8160} {
		want, err := hkdf.Key(sha256.New, key, nil, "alknet password v1", length)
		must(t, err)
		got, err := s.PasswordBytes("example.com", length)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, %v", length, got, err)
		}
	}
}

// TestPasswordsAreUnbiased counts the characters of many passwords (chi-squared,
// always with the same seeds). A mapping by remainder alone would give the first 54
// of 79 characters a third more than the rest.
func TestPasswordsAreUnbiased(t *testing.T) {
	random := newRandom(t)
	counts := map[byte]int{}
	const passwords, length = 2000, 64
	f := new(frame)
	for range passwords {
		copy(f.key.private[:], random.bytes(32))
		out := make([]byte, length)
		must(t, passwordText(f, PasswordPolicy{Length: length, Classes: AllClasses}, out))
		for _, c := range out {
			counts[c]++
		}
	}
	expected := float64(passwords*length) / float64(len(counts))
	chi := 0.0
	for _, n := range counts {
		chi += math.Pow(float64(n)-expected, 2) / expected
	}
	// 78 degrees of freedom: above 135 once in 20,000.
	if len(counts) != 79 || chi > 135 {
		t.Errorf("%d characters, chi-squared %.0f", len(counts), chi)
	}
}

func TestPasswordPath(t *testing.T) {
	want, err := PasswordPath("example.com")
	must(t, err)
	sum := sha256.Sum256([]byte("example.com"))
	h := uint32(sum[0])<<23 | uint32(sum[1])<<15 | uint32(sum[2])<<7 | uint32(sum[3])>>1
	if want != hardened(74, 1, 0, h) {
		t.Errorf("path %s, h %d", want, h)
	}
	for _, site := range []string{"EXAMPLE.com", "Ｅxample.com"} {
		if p, err := PasswordPath(site); err != nil || p != want {
			t.Errorf("%s: %s, %v", site, p, err)
		}
	}
}
