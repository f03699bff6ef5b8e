package transport

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/principal"
)

var someKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)

func TestParseAddress(t *testing.T) {
	id := principal.EndpointID(someKey)
	for in, want := range map[string]string{ // "" means the same text
		"alknet://example.com":                       "alknet://example.com:4433",
		"alknet://" + id + "@example.com":            "alknet://" + id + "@example.com:4433",
		"alknet://" + id + "@[::1]:5":                "",
		"quic://127.0.0.1:65535":                     "",
		"tls://" + id + "@xn--bcher-kva.example:443": "",
		"tcp://localhost:1":                          "",
		"unix:///run/alknet.sock":                    "",
		"unix://" + id + "@/run/a@b":                 "",
		"unix:///a@b":                                "",
		"quic://[fe80::1%eth0]:5":                    "",
		"tls://[fe80::1%25lo]":                       "tls://[fe80::1%lo]:4433",
	} {
		a, err := ParseAddress(in)
		if want == "" {
			want = in
		}
		if err != nil || a.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, a, err, want)
		}
	}
}

func TestRefusedAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "no scheme",
		"example.com:4433":              "no scheme",
		"http://example.com":            "not one of alknet",
		"ALKNET://example.com":          "not one of alknet",
		"alknet://":                     "names no host",
		"alknet://:4433":                "names no host",
		"alknet://host:0":               "port 0",
		"alknet://host:65536":           "not a number from 0 to 65535",
		"alknet://host:":                "port is missing",
		"alknet://host:port":            "host:port",
		"alknet://host:4433/path":       "nothing may follow",
		"alknet://host:4433?x=1":        "nothing may follow",
		"alknet://::1:4433":             "in brackets", // also an address without a port
		"alknet://[fe80::zz]:4433":      "in brackets",
		"alknet://not!base58@host:4433": "endpoint id",
		"alknet://abc@host:4433":        "endpoint id",
		"unix://relative":               "unix:///path",
		"unix:///" + strings.Repeat("x", maxUnixPath): "at most",
		"unix:///a\x00b": "unix:///path",
	} {
		if a, err := ParseAddress(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, error %v; want %q in it", in, a, err, want)
		}
	}
	for _, in := range []string{"alknet://" + principal.EndpointID(someKey) + "@127.0.0.1:0", "smtp://127.0.0.1:0"} {
		if _, err := parseListen(in); err == nil {
			t.Errorf("listening on %s was accepted", in)
		}
	}
}

// Whatever is accepted is written again so that it reads as the same address.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"alknet://" + principal.EndpointID(someKey) + "@example.com:4433", "quic://[::1]:1", "tls://h", "tcp://127.0.0.1:80", "unix:///tmp/s", "unix://@/x", "alknet://a%41b:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again.String() != a.String() || again.Host != a.Host || again.Path != a.Path || again.Port != a.Port || !sameKey(again.Peer, a.Peer) {
			t.Fatalf("%q reads as %+v, and %q as %+v (%v)", s, a, a.String(), again, err)
		}
	})
}
