package secret

import (
	"crypto/aes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

const (
	sshType    = "ssh-ed25519"
	maxComment = 255 // bytes

	sshPrivateHeader = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
	sshPrivateFooter = "-----END OPENSSH PRIVATE KEY-----\n"
	sshPrivateWidth  = 70 // characters a line, as ssh-keygen writes them
	sshKDFRounds     = 24 // as ssh-keygen's default
	sshSaltSize      = 16 // bytes
)

// SSHPublicKey returns an Ed25519 key as a line of authorized_keys (sshd(8)),
// without a line end. The comment may be empty. It answers in a locked store, too.
// The error is INVALID_INPUT for a key of another type, or for a comment with
// control characters or of more than 255 bytes.
func (h *Handle) SSHPublicKey(comment string) (string, error) {
	if err := h.require(Ed25519, "an SSH key"); err != nil {
		return "", err
	}
	if err := checkComment(comment); err != nil {
		return "", err
	}
	line := sshType + " " + base64.StdEncoding.EncodeToString(sshPublicBlob(h.public))
	if comment != "" {
		line += " " + comment
	}
	return line, nil
}

func checkComment(comment string) error {
	if len(comment) > maxComment || !utf8.ValidString(comment) {
		return errorf(InvalidInput, "the key's comment must be UTF-8 of at most %d bytes", maxComment)
	}
	for _, r := range comment {
		if unicode.IsControl(r) {
			return errorf(InvalidInput, "the key's comment must be one line, without control characters")
		}
	}
	return nil
}

// ExportSSHPrivateKey returns an Ed25519 key as a private key file of OpenSSH
// (PROTOCOL.key), protected by the passphrase unless that is empty (bcrypt with 24
// rounds, which takes some tenths of a second, and AES-256-CTR). The passphrase is
// wiped; the file is the caller's to wipe. Errors: LOCKED, CLOSED, NOT_EXPORTABLE,
// INVALID_INPUT.
func (h *Handle) ExportSSHPrivateKey(comment string, passphrase []byte) (file []byte, err error) {
	defer clear(passphrase)
	if err := h.require(Ed25519, "an SSH key"); err != nil {
		return nil, err
	}
	if err := checkComment(comment); err != nil {
		return nil, err
	}
	var protection *sshProtection
	if len(passphrase) > 0 {
		protection = newSSHProtection(passphrase)
		defer clear(protection.key[:])
	}
	err = h.export(func(f *frame, public []byte) error {
		blob := sshPrivateBlob(&f.key, public, comment, protection)
		defer clear(blob)
		file = armor(blob)
		return nil
	})
	return file, err
}

// sshProtection is how a private key file is encrypted; nil stands for not at all.
type sshProtection struct {
	salt [sshSaltSize]byte
	key  [32 + aes.BlockSize]byte // and IV
}

func newSSHProtection(passphrase []byte) *sshProtection {
	p := new(sshProtection)
	rand.Read(p.salt[:]) // it cannot fail
	shield(func() { bcryptPBKDF(p.key[:], passphrase, p.salt[:], sshKDFRounds) })
	return p
}

// encrypt is AES-256-CTR on whole blocks. crypto/cipher's keeps the key where it
// cannot be wiped.
func (p *sshProtection) encrypt(data []byte) {
	block, err := aes.NewCipher(p.key[:32])
	if err != nil {
		panic("secret: " + err.Error()) // only for a wrong length
	}
	defer wipeObject(block)
	counter := p.key[32:]
	var pad [aes.BlockSize]byte
	for ; len(data) > 0; data = data[len(pad):] {
		block.Encrypt(pad[:], counter)
		subtle.XORBytes(data, data, pad[:])
		for i := len(counter) - 1; i >= 0; i-- {
			if counter[i]++; counter[i] != 0 {
				break
			}
		}
	}
}

// options gives the KDF's parameters as the file holds them.
func (p *sshProtection) options() []byte {
	return binary.BigEndian.AppendUint32(appendString(nil, p.salt[:]), sshKDFRounds)
}

func appendString[T string | []byte](dst []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func sshPublicBlob(public []byte) []byte {
	return appendString(appendString(nil, sshType), public)
}

// sshPrivateBlob encodes a key as PROTOCOL.key says, in memory that has room for all
// of it from the start: growing would leave copies behind.
func sshPrivateBlob(k *key, public []byte, comment string, protection *sshProtection) []byte {
	blob := make([]byte, 0, 512+len(comment))
	blob = append(blob, "openssh-key-v1\x00"...)
	blockSize := 8
	if protection == nil {
		blob = appendString(blob, "none")
		blob = appendString(blob, "none")
		blob = appendString(blob, "")
	} else {
		blockSize = aes.BlockSize
		blob = appendString(blob, "aes256-ctr")
		blob = appendString(blob, "bcrypt")
		blob = appendString(blob, protection.options())
	}
	blob = binary.BigEndian.AppendUint32(blob, 1) // keys
	blob = appendString(blob, sshPublicBlob(public))

	lengthAt := len(blob)
	blob = append(blob, 0, 0, 0, 0)
	start := len(blob)
	var check [4]byte // twice the same, to see whether decryption worked
	rand.Read(check[:])
	blob = append(blob, check[:]...)
	blob = append(blob, check[:]...)
	blob = appendString(blob, sshType)
	blob = appendString(blob, public)
	blob = binary.BigEndian.AppendUint32(blob, ed25519.PrivateKeySize)
	blob = append(blob, k.private[:]...)
	blob = append(blob, public...)
	blob = appendString(blob, comment)
	for padding := byte(1); (len(blob)-start)%blockSize != 0; padding++ {
		blob = append(blob, padding)
	}
	binary.BigEndian.PutUint32(blob[lengthAt:], uint32(len(blob)-start))
	if protection != nil {
		protection.encrypt(blob[start:])
	}
	return blob
}

// armor writes the private key file of a blob, again without growing.
func armor(blob []byte) []byte {
	base := base64.StdEncoding
	size := base.EncodedLen(len(blob))
	file := make([]byte, 0, len(sshPrivateHeader)+size+size/sshPrivateWidth+1+len(sshPrivateFooter))
	file = append(file, sshPrivateHeader...)
	text := base.AppendEncode(make([]byte, 0, size), blob)
	defer clear(text)
	for len(text) > 0 {
		n := min(sshPrivateWidth, len(text))
		file = append(file, text[:n]...)
		file = append(file, '\n')
		text = text[n:]
	}
	return append(file, sshPrivateFooter...)
}
