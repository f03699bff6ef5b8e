package secret

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// mailTypedData is the example of EIP-712.
const mailTypedData = `{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Person":[{"name":"name","type":"string"},{"name":"wallet","type":"address"}],"Mail":[{"name":"from","type":"Person"},{"name":"to","type":"Person"},{"name":"contents","type":"string"}]},"primaryType":"Mail","domain":{"name":"Ether Mail","version":"1","chainId":1,"verifyingContract":"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},"message":{"from":{"name":"Cow","wallet":"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},"to":{"name":"Bob","wallet":"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},"contents":"Hello, Bob!"}}`

// TestTypedDataExample checks the digest and the signature that EIP-712 prints, with
// the key keccak256("cow").
func TestTypedDataExample(t *testing.T) {
	digest, err := TypedDataDigest([]byte(mailTypedData))
	must(t, err)
	if got := hex.EncodeToString(digest[:]); got != "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2" {
		t.Errorf("digest %s", got)
	}
	text, err := json.Marshal(EthereumSignature{64: 28})
	if want := `"0x` + strings.Repeat("00", 64) + `1c"`; err != nil || string(text) != want {
		t.Errorf("JSON %s, %v, want %s", text, err, want)
	}
	f := new(frame)
	f.key.private = keccak256([]byte("cow"))
	signature := signECDSA(f, &digest)
	if got := hex.EncodeToString(signature[:]); got != "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b9156201" {
		t.Errorf("signature %s", got)
	}
}

func TestTypedDataRefuses(t *testing.T) {
	replaced := func(old, new string) string {
		if !strings.Contains(mailTypedData, old) {
			t.Fatalf("%s is not in the example", old)
		}
		return strings.Replace(mailTypedData, old, new, 1)
	}
	typed := func(kind, value string) string {
		return `{"types":{"T":[{"name":"v","type":"` + kind + `"}]},"primaryType":"T","domain":{},"message":{"v":` + value + `}}`
	}
	for text, want := range map[string]string{
		"": "not valid JSON", "[]": "domain", "{}": "domain", mailTypedData + " {}": "more than one", "\xff": "UTF-8",
		replaced(`"primaryType":"Mail"`, `"primaryType":"Post"`):                             "primaryType",
		replaced(`,"contents":"Hello, Bob!"`, ``):                                            "has no contents",
		replaced(`"contents":"Hello, Bob!"`, `"contents":"x","cc":"y"`):                      `"cc", which is not in its type`,
		replaced(`"contents":"Hello, Bob!"`, `"contents":"x","contents":"y"`):                "given twice",
		replaced(`"contents":"Hello, Bob!"`, `"contents":null`):                              "does not fit",
		replaced(`"contents":"Hello, Bob!"`, `"contents":"\ud800"`):                          "surrogate",
		replaced(`0xCD2a3d`, `0xCd2a3d`):                                                     "wallet does not fit",
		replaced(`0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826`, `0xCD2a3d`):                   "wallet does not fit",
		replaced(`"type":"Person"},{"name":"to"`, `"type":"Persona"},{"name":"to"`):          "unknown type",
		replaced(`{"name":"chainId","type":"uint256"}`, `{"name":"chainId","type":"uint8"}`): "as EIP-712 has them",
		replaced(`"chainId":1`, `"chainId":1.5`):                                             "chainId does not fit",
		replaced(`"domain":{`, `"extra":1,"domain":{`):                                       `member "extra"`,
		replaced(`"version":"1",`, ``):                                                       "domain has no version",
		typed("uint8", "256"):                                                                "v does not fit", typed("uint8", "-1"): "v does not fit", typed("int8", "128"): "v does not fit", typed("int8", "-129"): "v does not fit",
		typed("uint8", "1e1"): "v does not fit", typed("uint8", "1.0"): "v does not fit", typed("uint8", `"0x"`): "v does not fit", typed("uint8", `""`): "v does not fit",
		typed("uint8", `"+1"`): "v does not fit", typed("uint8", `"-0x1"`): "v does not fit", typed("uint8", "true"): "v does not fit", typed("uint8", `"1_0"`): "v does not fit",
		typed("uint256", `"`+strings.Repeat("9", 78)+`"`): "v does not fit", typed("bool", `"true"`): "v does not fit", typed("bool", "1"): "v does not fit",
		typed("bytes4", `"0x112233"`): "v does not fit", typed("bytes", `"0x1"`): "v does not fit", typed("bytes", `"11"`): "v does not fit", typed("string", "1"): "v does not fit",
		typed("uint8[2]", "[1]"): "v does not fit", typed("uint8[]", "{}"): "v does not fit", typed("uint8[][1]", "[[300]]"): "does not fit",
		typed("uint7", "1"): "unknown type", typed("uint264", "1"): "unknown type", typed("uint08", "1"): "unknown type", typed("bytes0", "1"): "unknown type", typed("bytes33", "1"): "unknown type",
		typed("int", "1"): "unknown type", typed("T[", "1"): "malformed", typed("[]", "1"): "malformed", typed("T[01]", "1"): "malformed", typed("T[0]", "[]"): "malformed", typed("T[-1]", "1"): "malformed",
		typed("EIP712Domain", "{}"): "unknown type", typed("T", "{}"): "has no v", typed("uint8"+strings.Repeat("[]", 70), "[]"): "dimensions",
		`{"types":{"uint8":[]},"primaryType":"uint8","domain":{},"message":{}}`:                                                                               "cannot be the name",
		`{"types":{"a b":[]},"primaryType":"a b","domain":{},"message":{}}`:                                                                                   "cannot be the name",
		`{"types":{"T":[{"name":"a","type":"bool"},{"name":"a","type":"bool"}]},"primaryType":"T","domain":{},"message":{}}`:                                  "twice",
		`{"types":{"T":[{"name":"a","type":"bool","x":1}]},"primaryType":"T","domain":{},"message":{}}`:                                                       "is not {",
		`{"types":{"T":{}},"primaryType":"T","domain":{},"message":{}}`:                                                                                       "no array of fields",
		`{"types":{"T":[]},"primaryType":"T","domain":{"x":1},"message":{}}`:                                                                                  `"x"`,
		`{"types":{"T":[{"name":"t","type":"T[]"}]},"primaryType":"T","domain":{},"message":` + strings.Repeat(`{"t":[`, 70) + strings.Repeat(`]}`, 70) + `}`: "too deep",
		strings.Repeat(" ", maxTypedData+1):                                                                                                                   "longer than",
	} {
		_, err := TypedDataDigest([]byte(text))
		if CodeOf(err) != InvalidInput || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: %v, want %q", text, err, want)
		}
	}
}

// TestTypedDataForms gives one value in every form that is taken.
func TestTypedDataForms(t *testing.T) {
	digest := func(kind, value string) [32]byte {
		t.Helper()
		d, err := TypedDataDigest([]byte(`{"types":{"T":[{"name":"v","type":"` + kind + `"}]},"primaryType":"T","domain":{},"message":{"v":` + value + `}}`))
		if err != nil {
			t.Errorf("%s %s: %v", kind, value, err)
		}
		return d
	}
	for kind, forms := range map[string][]string{
		"uint16": {"255", `"255"`, `"0xff"`, `"0xFF"`, `"0x00ff"`}, "int16": {"-2", `"-2"`},
		"address": {`"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"`, `"0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826"`, `"0xCD2A3D9F938E13CD947EC05ABC7FE734DF8DD826"`},
		"bytes2":  {`"0xabcd"`, `"0xABCD"`},
	} {
		for _, form := range forms {
			if digest(kind, form) != digest(kind, forms[0]) {
				t.Errorf("%s: %s is not %s", kind, form, forms[0])
			}
		}
	}
	// A recursive type, the domain alone, and a domain whose type is not declared.
	for _, text := range []string{
		`{"types":{"T":[{"name":"t","type":"T[]"}]},"primaryType":"T","domain":{},"message":{"t":[{"t":[]},{"t":[{"t":[]}]}]}}`,
		`{"types":{},"primaryType":"EIP712Domain","domain":{"name":"x"},"message":{}}`,
	} {
		if _, err := TypedDataDigest([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	var object map[string]any
	must(t, json.Unmarshal([]byte(mailTypedData), &object))
	delete(object["types"].(map[string]any), "EIP712Domain")
	undeclared, err := json.Marshal(object)
	must(t, err)
	a, err := TypedDataDigest([]byte(mailTypedData))
	must(t, err)
	if b, err := TypedDataDigest(undeclared); err != nil || a != b {
		t.Errorf("without the domain's type: %x, %v", b, err)
	}
}
