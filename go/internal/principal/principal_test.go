package principal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestNames(t *testing.T) {
	for range 100 {
		key, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, err := ssh.NewPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := Fingerprint(key), ssh.FingerprintSHA256(public); got != want {
			t.Errorf("fingerprint %s, OpenSSH's is %s", got, want)
		}
		back, err := ParseEndpointID(EndpointID(key))
		if err != nil || !back.Equal(key) {
			t.Errorf("%s came back as %x, %v", EndpointID(key), back, err)
		}
	}
	// 32 zero bytes are 32 ones; the vector is base58's own definition of a leading zero.
	zero := make(ed25519.PublicKey, ed25519.PublicKeySize)
	if got := EndpointID(zero); got != strings.Repeat("1", 32) {
		t.Errorf("zero key: %s", got)
	}
}

func TestRefusedEndpointIDs(t *testing.T) {
	good := EndpointID(bytes.Repeat([]byte{7}, 32))
	for _, s := range []string{"", good[:20], good + "1", "1" + good, " " + good, good + "\n", strings.Replace(good, good[3:4], "0", 1), strings.Repeat("z", 44), strings.Repeat("1", 10_000)} {
		if key, err := ParseEndpointID(s); err == nil {
			t.Errorf("%.50q was taken for %x", s, key)
		}
	}
}

func FuzzParseEndpointID(f *testing.F) {
	f.Add(EndpointID(bytes.Repeat([]byte{7}, 32)))
	f.Add(strings.Repeat("1", 32))
	f.Add("0OIl")
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ParseEndpointID(s)
		if err == nil && EndpointID(key) != s {
			t.Fatalf("%q came back as %q", s, EndpointID(key))
		}
	})
}
