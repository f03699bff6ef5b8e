package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const sealedText = `{"key_version":2,"salt":"AAAA","iv":"AAAAAAAAAAAAAAAA","data":"AAAAAAAAAAAAAAAAAAAAAA=="}`

func TestEncryptAndRotate(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	random := newRandom(t)
	for _, size := range []int{0, 1, 15, 16, 17, 1000, 100_000} {
		plaintext := random.bytes(size)
		before := bytes.Clone(plaintext)
		for _, version := range []uint32{0, 1, 2, 3, MaxKeyVersion} {
			data, err := s.Encrypt(plaintext, version)
			must(t, err)
			if want := max(version, 1); version != 0 && data.KeyVersion != want || version == 0 && data.KeyVersion != CurrentKeyVersion {
				t.Errorf("version %d became %d", version, data.KeyVersion)
			}
			if len(data.IV) != 12 || len(data.Salt) != 32 || len(data.Data) != size+16 {
				t.Errorf("lengths %d, %d, %d", len(data.IV), len(data.Salt), len(data.Data))
			}
			rotated, err := s.Rotate(data, 9)
			must(t, err)
			for _, d := range []EncryptedData{data, rotated} {
				opened, err := s.Decrypt(d)
				if err != nil || !bytes.Equal(opened, before) || !bytes.Equal(plaintext, before) {
					t.Errorf("%d bytes, version %d: %v", size, d.KeyVersion, err)
				}
			}
			if rotated.KeyVersion != 9 || bytes.Equal(rotated.IV, data.IV) {
				t.Errorf("rotated to version %d", rotated.KeyVersion)
			}
		}
	}
}

// TestDecryptionFailuresAreAlike damages a record in every way: the error is one and
// the same value.
func TestDecryptionFailuresAreAlike(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	good, err := s.Encrypt([]byte("some value"), 3)
	must(t, err)
	damaged := map[string]EncryptedData{}
	flip := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		b[i] ^= 1 << (i % 8)
		return b
	}
	for i := range good.Data {
		damaged[fmt.Sprintf("data byte %d", i)] = EncryptedData{good.KeyVersion, good.Salt, good.IV, flip(good.Data, i)}
		damaged[fmt.Sprintf("data cut to %d", i)] = EncryptedData{good.KeyVersion, good.Salt, good.IV, good.Data[:i]}
	}
	for i := range good.IV {
		damaged[fmt.Sprintf("iv byte %d", i)] = EncryptedData{good.KeyVersion, good.Salt, flip(good.IV, i), good.Data}
		damaged[fmt.Sprintf("iv cut to %d", i)] = EncryptedData{good.KeyVersion, good.Salt, good.IV[:i], good.Data}
	}
	damaged["iv longer"] = EncryptedData{good.KeyVersion, good.Salt, append(bytes.Clone(good.IV), 0), good.Data}
	damaged["data longer"] = EncryptedData{good.KeyVersion, good.Salt, good.IV, append(bytes.Clone(good.Data), 0)}
	damaged["other version"] = EncryptedData{4, good.Salt, good.IV, good.Data}
	for name, data := range damaged {
		if plaintext, err := s.Decrypt(data); err != errDecryption || plaintext != nil {
			t.Errorf("%s: %q, %v", name, plaintext, err)
		}
	}
	for _, version := range []uint32{0, MaxKeyVersion + 1} {
		_, err := s.Decrypt(EncryptedData{version, good.Salt, good.IV, good.Data})
		wantCode(t, "version", err, UnknownKeyVersion)
		_, err = s.Rotate(good, MaxKeyVersion+1)
		wantCode(t, "rotate", err, UnknownKeyVersion)
	}
	_, err = s.Encrypt(make([]byte, MaxPlaintext+1), 0)
	wantCode(t, "too much", err, InvalidInput)
	// A salt means nothing, and any will do.
	good.Salt = nil
	if _, err := s.Decrypt(good); err != nil {
		t.Error(err)
	}
}

func TestHandleSeal(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	h, other := derive(t, s, hardened(1, 2), AES256GCM), derive(t, s, hardened(1, 3), AES256GCM)
	sealed, err := h.Seal([]byte("value"))
	must(t, err)
	opened, err := h.Open(sealed)
	if err != nil || string(opened) != "value" {
		t.Errorf("%q, %v", opened, err)
	}
	if _, err := other.Open(sealed); err != errDecryption {
		t.Errorf("another key: %v", err)
	}
	for i := range sealed {
		if _, err := h.Open(sealed[:i]); err != errDecryption {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
}

func TestParseEncryptedDataRefuses(t *testing.T) {
	replaced := func(old, new string) string { return strings.Replace(sealedText, old, new, 1) }
	for text, want := range map[string]string{
		"": "JSON", "null": "object", "[]": "object", "{}": "key_version", sealedText + "{}": "more than one", sealedText[:40]: "JSON", `"x"`: "object",
		replaced("2", "2.0"): "key_version", replaced("2", "2e0"): "key_version", replaced("2", `"2"`): "key_version", replaced("2", "-2"): "key_version", replaced("2", "4294967296"): "key_version",
		replaced("salt", "Salt"): "none of", replaced(`"salt":"AAAA"`, `"salt":"AAAA","x":1`): "none of", replaced(`"salt":"AAAA",`, ``): "salt is not", replaced(`"AAAA"`, `null`): "salt is not",
		replaced(`"salt":"AAAA"`, `"salt":"AAAA","salt":"AAAA"`): "twice", replaced("AAAA", "AA-_"): "salt is not", replaced("AAAA", "AAA"): "salt is not", replaced("AAAA", "AAB="): "salt is not",
		replaced("AAAA", `AA\nAA`): "salt is not", replaced("AAAA", "A AA"): "salt is not", replaced("==", ""): "data is not", replaced(`"AAAA"`, `["AAAA"]`): "too deep", replaced("AAAA", "\xff"): "UTF-8",
	} {
		data, err := ParseEncryptedData([]byte(text))
		if CodeOf(err) != InvalidInput || !strings.Contains(err.Error(), want) || data.IV != nil {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err := json.Unmarshal([]byte(text), new(EncryptedData)); err == nil {
			t.Errorf("%s: json.Unmarshal takes it", text)
		}
	}
	if _, err := ParseEncryptedData(make([]byte, maxEncryptedJSON+1)); CodeOf(err) != InvalidInput {
		t.Error(err)
	}
	// Order, white space and escapes are JSON's own business.
	if data, err := ParseEncryptedData([]byte("{ \"iv\":\"\",\n\"data\":\"\\u0041AA\\u003d\", \"salt\":\"\", \"key_version\" : 7 }")); err != nil || data.KeyVersion != 7 || len(data.Data) != 2 {
		t.Errorf("%+v, %v", data, err)
	}
}

func FuzzParseEncryptedData(f *testing.F) {
	for _, seed := range []string{sealedText, "", "{}", `{"key_version":0,"salt":"","iv":"","data":""}`, `{"key_version":1,"salt":"AA==","iv":"A\u0041==","data":"AAA="}`, strings.Repeat("[", 100)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		data, err := ParseEncryptedData(text)
		if err != nil {
			wantCode(t, "parse", err, InvalidInput)
			return
		}
		// What parses has one form, which parses to the same.
		encoded, err := json.Marshal(data)
		must(t, err)
		again, err := ParseEncryptedData(encoded)
		if err != nil || again.KeyVersion != data.KeyVersion || !bytes.Equal(again.Salt, data.Salt) || !bytes.Equal(again.IV, data.IV) || !bytes.Equal(again.Data, data.Data) {
			t.Errorf("%s: %v", encoded, err)
		}
		var loose struct {
			KeyVersion     uint32 `json:"key_version"`
			Salt, IV, Data []byte
		}
		if err := json.Unmarshal(text, &loose); err != nil || loose.KeyVersion != data.KeyVersion || !bytes.Equal(loose.Data, data.Data) {
			t.Errorf("encoding/json reads %+v, %v", loose, err)
		}
	})
}

func FuzzTypedData(f *testing.F) {
	f.Add([]byte(mailTypedData))
	f.Add([]byte(`{"types":{"T":[{"name":"t","type":"T[]"}]},"primaryType":"T","domain":{},"message":{"t":[{"t":[]}]}}`))
	f.Add([]byte(`{"types":{"T":[{"name":"v","type":"int8[2][]"},{"name":"w","type":"bytes3"}]},"primaryType":"T","domain":{"chainId":"0x1"},"message":{"v":[[1,-1]],"w":"0x112233"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		digest, err := TypedDataDigest(text)
		if err != nil {
			wantCode(t, "digest", err, InvalidInput)
			return
		}
		// The digest is of the values: writing the JSON anew does not change it, and a
		// member more is refused.
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var object map[string]any
		must(t, decoder.Decode(&object))
		encoded, err := json.Marshal(object)
		must(t, err)
		if again, err := TypedDataDigest(encoded); err != nil || again != digest {
			t.Errorf("%s: %x, %v, want %x", encoded, again, err, digest)
		}
		if object["primaryType"] == domainType {
			return // which has no message
		}
		object["message"].(map[string]any)["not a field"] = true
		encoded, err = json.Marshal(object)
		must(t, err)
		_, err = TypedDataDigest(encoded)
		wantCode(t, "a member more", err, InvalidInput)
	})
}
