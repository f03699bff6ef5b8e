package secret

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for text, want := range map[string]string{
		"m": "m", "m/0": "m/0", "m/0'": "m/0'", "m/0h": "m/0'", "m/0H": "m/0'", "m/44'/60h/0H/0/7": "m/44'/60'/0'/0/7",
		"m/2147483647'/2147483647": "m/2147483647'/2147483647", "m" + strings.Repeat("/1", 16): "m" + strings.Repeat("/1", 16),
	} {
		p, err := ParsePath(text)
		if err != nil || p.String() != want {
			t.Errorf("%s: %s, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		"": "begins with m", "M/0": "begins with m", "/0": "begins with m", "0": "begins with m", " m": "begins with m", "m ": "begins with m", "n/0": "begins with m",
		"m/": "level 1 of the path is empty", "m//0": "level 1 of the path is empty", "m/0/": "level 2 of the path is empty", "m/'": "level 1 of the path is empty",
		"m/00": "leading zero", "m/01'": "leading zero", "m/-1": "not a decimal", "m/+1": "not a decimal", "m/1.0": "not a decimal", "m/0x1": "not a decimal", "m/ 1": "not a decimal",
		"m/1 ": "not a decimal", "m/１": "not a decimal", "m/1'0": "not a decimal", "m/*": "not a decimal", "m/1_0": "not a decimal", "m/1''": "more than one", "m/1h'": "more than one",
		"m/2147483648": "too large", "m/2147483648'": "too large", "m/4294967296": "too large", "m/99999999999999999999999": "too large", "m" + strings.Repeat("/1", 17): "more than 16",
	} {
		p, err := ParsePath(text)
		decoded := path(t, "m/1")
		if decoded.UnmarshalText([]byte(text)) == nil || decoded != path(t, "m/1") {
			t.Errorf("%q: UnmarshalText takes it", text)
		}
		if CodeOf(err) != InvalidPath || !strings.Contains(err.Error(), want) || p != (Path{}) {
			t.Errorf("%q: %s, %v, want %q", text, p, err, want)
		}
	}
}

func TestNamedPaths(t *testing.T) {
	must2 := func(p Path, err error) Path { must(t, err); return p }
	for want, p := range map[string]Path{
		"m/74'/0'/0'/0'": IdentityPath(), "m/74'/0'/0'/7'": DevicePath(7), "m/74'/0'/1'/0'": SSHHostKeyPath(), "m/44'/60'/0'/0/3": EthereumPath(3),
		"m/74'/2'/0'/0'": must2(SealingPath(1)), "m/74'/2'/0'/1'": must2(SealingPath(3)), "m/74'/2'/0'/2147483647'": must2(SealingPath(MaxKeyVersion)),
	} {
		if p.String() != want || path(t, want) != p {
			t.Errorf("%s, want %s", p, want)
		}
	}
	if a, b := must2(SealingPath(1)), must2(SealingPath(2)); a != b {
		t.Error("versions 1 and 2 differ")
	}
	for _, version := range []uint32{0, MaxKeyVersion + 1, 1<<32 - 1} {
		_, err := SealingPath(version)
		wantCode(t, "version", err, UnknownKeyVersion)
	}
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"m", "m/74'/0'/0'/0'", "m/44h/60H/0'/0/0", "m//", "m/00", "m/2147483648", "m/1''", "/", "m" + strings.Repeat("/0", 17)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(text)
		if err != nil {
			wantCode(t, text, err, InvalidPath)
			return
		}
		// There is one text for a path, but for the mark of hardening.
		if canonical := strings.NewReplacer("h", "'", "H", "'").Replace(text); p.String() != canonical {
			t.Errorf("%s reads as %s", text, p)
		}
		again, err := ParsePath(p.String())
		if err != nil || again != p {
			t.Errorf("%s reads as %s, %v", p, again, err)
		}
		encoded, err := json.Marshal(p)
		must(t, err)
		var decoded Path
		if err := json.Unmarshal(encoded, &decoded); err != nil || decoded != p {
			t.Errorf("%s decodes as %s, %v", encoded, decoded, err)
		}
	})
}
