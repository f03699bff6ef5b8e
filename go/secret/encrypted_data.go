package secret

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

const (
	// CurrentKeyVersion is the sealing key's version that Encrypt takes when none
	// is named.
	CurrentKeyVersion = 2
	// MaxKeyVersion is the last version that has a path.
	MaxKeyVersion = hardenedBit + 1

	saltSize = 32 // bytes
	// maxEncryptedJSON bounds an EncryptedData's text: MaxPlaintext in base64, and
	// room for the rest.
	maxEncryptedJSON = (MaxPlaintext/3+1)*4 + 64<<10
)

// EncryptedData is a sealed value, in the JSON form
//
//	{"key_version":2,"salt":"…","iv":"…","data":"…"}
//
// with standard base64 (RFC 4648, section 4). The form is frozen. It is not secret.
type EncryptedData struct {
	// KeyVersion names the sealing key. It is not authenticated: versions 1 and 2
	// have the same key, and any other change makes opening fail.
	KeyVersion uint32
	// Salt is 32 random bytes that mean nothing, kept for compatibility. Any
	// length opens.
	Salt []byte
	// IV is the nonce, 12 random bytes.
	IV []byte
	// Data is the ciphertext and the 16-byte tag of AES-256-GCM, without
	// additional data.
	Data []byte
}

// SealingPath returns the path of the sealing key of a version: m/74'/2'/0'/k', k
// being 0 for the versions 1 and 2, and version−2 above. Version 0 and versions
// above MaxKeyVersion are UNKNOWN_KEY_VERSION.
func SealingPath(version uint32) (Path, error) {
	if version == 0 || version > MaxKeyVersion {
		return Path{}, errorf(UnknownKeyVersion, "there is no sealing key of version %d", version)
	}
	return hardened(purpose, 2, 0, max(version, 2)-2), nil
}

// MarshalJSON returns the form above.
func (d EncryptedData) MarshalJSON() ([]byte, error) {
	b64 := base64.StdEncoding
	out := make([]byte, 0, 64+b64.EncodedLen(len(d.Salt))+b64.EncodedLen(len(d.IV))+b64.EncodedLen(len(d.Data)))
	out = append(out, `{"key_version":`...)
	out = strconv.AppendUint(out, uint64(d.KeyVersion), 10)
	out = append(out, `,"salt":"`...)
	out = b64.AppendEncode(out, d.Salt)
	out = append(out, `","iv":"`...)
	out = b64.AppendEncode(out, d.IV)
	out = append(out, `","data":"`...)
	out = b64.AppendEncode(out, d.Data)
	return append(out, `"}`...), nil
}

// UnmarshalJSON is ParseEncryptedData.
func (d *EncryptedData) UnmarshalJSON(text []byte) error {
	parsed, err := ParseEncryptedData(text)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// ParseEncryptedData reads the form strictly: one object with the four members,
// each once and no other, key_version an integer below 2^32, and base64 with its
// padding, without white space and with unused bits zero. Anything else is
// INVALID_INPUT. Whether the lengths are right is for Decrypt to find.
func ParseEncryptedData(text []byte) (EncryptedData, error) {
	if len(text) > maxEncryptedJSON {
		return EncryptedData{}, errorf(InvalidInput, "the encrypted data is longer than %d bytes", maxEncryptedJSON)
	}
	value, err := decodeStrict(text, 1)
	if err != nil {
		return EncryptedData{}, errorf(InvalidInput, "the encrypted data: %s", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return EncryptedData{}, errorf(InvalidInput, "the encrypted data is not a JSON object")
	}
	for name := range object {
		if name != "key_version" && name != "salt" && name != "iv" && name != "data" {
			return EncryptedData{}, errorf(InvalidInput, "the encrypted data has a member that is none of key_version, salt, iv and data")
		}
	}
	number, _ := object["key_version"].(json.Number)
	version, err := strconv.ParseUint(string(number), 10, 32)
	if err != nil {
		return EncryptedData{}, errorf(InvalidInput, "the encrypted data's key_version is not an integer from 1 to %d", uint32(MaxKeyVersion))
	}
	d := EncryptedData{KeyVersion: uint32(version)}
	for name, field := range map[string]*[]byte{"salt": &d.Salt, "iv": &d.IV, "data": &d.Data} {
		if *field, err = decodeBase64(object[name]); err != nil {
			return EncryptedData{}, errorf(InvalidInput, "the encrypted data's %s is not standard base64", name)
		}
	}
	return d, nil
}

var strictBase64 = base64.StdEncoding.Strict()

func decodeBase64(value any) ([]byte, error) {
	text, ok := value.(string)
	// encoding/base64 skips line ends wherever they stand.
	if !ok || strings.ContainsAny(text, "\r\n") {
		return nil, errorf(InvalidInput, "not base64")
	}
	return strictBase64.DecodeString(text)
}
