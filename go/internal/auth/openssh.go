package auth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20"
	//lint:ignore SA1019 chacha20-poly1305@openssh.com is not the AEAD of RFC 8439
	"golang.org/x/crypto/poly1305"
	"golang.org/x/crypto/ssh"
)

// The private key format of OpenSSH (PROTOCOL.key there).
const (
	opensshMagic = "openssh-key-v1\x00"
	noCipher     = "none"
	bcryptKDF    = "bcrypt"

	// maxRounds bounds the work of a passphrase, which the file asks for: each round costs
	// about a millisecond, and ssh-keygen's default is 24.
	maxRounds = 10_000
)

// opensshCipher is one by which ssh-keygen -Z protects keys.
type opensshCipher struct {
	key, iv, block int // bytes
	tag            int // that follow what is encrypted
	open           func(key, iv, sealed, tag []byte) error
}

var opensshCiphers = map[string]opensshCipher{
	"aes128-ctr": {16, 16, 16, 0, openCTR}, "aes192-ctr": {24, 16, 16, 0, openCTR}, "aes256-ctr": {32, 16, 16, 0, openCTR},
	"aes128-cbc": {16, 16, 16, 0, openCBC}, "aes192-cbc": {24, 16, 16, 0, openCBC}, "aes256-cbc": {32, 16, 16, 0, openCBC},
	"3des-cbc":                      {24, 8, 8, 0, openCBC},
	"aes128-gcm@openssh.com":        {16, 12, 16, 16, openGCM},
	"aes256-gcm@openssh.com":        {32, 12, 16, 16, openGCM},
	"chacha20-poly1305@openssh.com": {64, 0, 8, 16, openChaCha},
}

func openCTR(key, iv, sealed, _ []byte) error {
	block, err := aes.NewCipher(key)
	if err == nil {
		cipher.NewCTR(block, iv).XORKeyStream(sealed, sealed)
	}
	return err
}

func openCBC(key, iv, sealed, _ []byte) error {
	makeBlock := aes.NewCipher
	if len(iv) == des.BlockSize {
		makeBlock = des.NewTripleDESCipher
	}
	block, err := makeBlock(key)
	if err == nil {
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(sealed, sealed)
	}
	return err
}

func openGCM(key, iv, sealed, tag []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	all := append(bytes.Clone(sealed), tag...)
	opened, err := aead.Open(all[:0], iv, all, nil)
	if err != nil {
		return ErrWrongPassphrase
	}
	copy(sealed, opened)
	clear(opened)
	return nil
}

// openChaCha opens a packet with the sequence number 0 (PROTOCOL.chacha20poly1305 of
// OpenSSH): the first half of the key is for what is encrypted and for its tag.
func openChaCha(key, _, sealed, tag []byte) error {
	stream, err := chacha20.NewUnauthenticatedCipher(key[:chacha20.KeySize], make([]byte, chacha20.NonceSize))
	if err != nil {
		return err
	}
	var mac [32]byte
	defer clear(mac[:])
	stream.XORKeyStream(mac[:], mac[:])
	if !poly1305.Verify((*[16]byte)(tag), sealed, &mac) {
		return ErrWrongPassphrase
	}
	stream.SetCounter(1)
	stream.XORKeyStream(sealed, sealed)
	return nil
}

var errDamaged = errors.New("the private key is damaged: copy the whole file again, or make another key with `ssh-keygen -t ed25519`")

// parseOpenSSH reads what the PEM block of a private key holds. It changes data.
func parseOpenSSH(data, passphrase []byte) (key ed25519.PrivateKey, comment string, err error) {
	var file struct {
		Cipher, KDF string
		Options     []byte
		Count       uint32
		Public      []byte
		Private     []byte
		Rest        []byte `ssh:"rest"`
	}
	text, ok := bytes.CutPrefix(data, []byte(opensshMagic))
	if !ok || ssh.Unmarshal(text, &file) != nil || file.Count != 1 {
		return nil, "", errDamaged
	}
	public, err := ssh.ParsePublicKey(file.Public)
	if err != nil {
		return nil, "", errDamaged
	}
	if public.Type() != ssh.KeyAlgoED25519 {
		return nil, "", fmt.Errorf("the key is not an Ed25519 key but a %s key: make one with `ssh-keygen -t ed25519`", public.Type())
	}
	defer clear(file.Private)
	if file.Cipher == noCipher {
		if len(file.Rest) > 0 {
			return nil, "", errDamaged
		}
	} else if err := unprotect(file.Cipher, file.KDF, file.Options, file.Private, file.Rest, passphrase); err != nil {
		return nil, "", err
	}
	var private struct {
		Check1, Check2 uint32
		Type           string
		Public         []byte
		Private        []byte
		Comment        string
		Padding        []byte `ssh:"rest"`
	}
	damaged := errDamaged
	if file.Cipher != noCipher {
		damaged = ErrWrongPassphrase
	}
	if len(file.Private) < 8 || binary.BigEndian.Uint32(file.Private) != binary.BigEndian.Uint32(file.Private[4:]) {
		return nil, "", damaged
	}
	if ssh.Unmarshal(file.Private, &private) != nil || private.Type != ssh.KeyAlgoED25519 || len(private.Private) != ed25519.PrivateKeySize {
		return nil, "", errDamaged
	}
	for i, b := range private.Padding {
		if int(b) != i+1 {
			return nil, "", errDamaged
		}
	}
	key = ed25519.NewKeyFromSeed(private.Private[:ed25519.SeedSize])
	known, err := ed25519Of(public)
	if err != nil || subtle.ConstantTimeCompare(key, private.Private) != 1 || !known.Equal(key.Public()) {
		clear(key)
		return nil, "", errDamaged
	}
	return key, private.Comment, nil
}

// unprotect opens sealed in its place.
func unprotect(name, kdf string, options, sealed, tag, passphrase []byte) error {
	c, known := opensshCiphers[name]
	switch {
	case !known:
		return fmt.Errorf("the private key is protected by the cipher %q, which is not taken: change it with `ssh-keygen -p -Z aes256-ctr -f FILE`", name)
	case kdf != bcryptKDF:
		return fmt.Errorf("the private key is protected by the key derivation %q, and only bcrypt is taken: write it again with `ssh-keygen -p -f FILE`", kdf)
	case len(passphrase) == 0:
		return ErrPassphraseRequired
	}
	var how struct {
		Salt   []byte
		Rounds uint32
	}
	if ssh.Unmarshal(options, &how) != nil || how.Rounds == 0 || len(sealed) == 0 || len(sealed)%c.block != 0 || len(tag) != c.tag {
		return errDamaged
	}
	if how.Rounds > maxRounds {
		return fmt.Errorf("the private key asks for %d rounds of work, and at most %d are done: change that with `ssh-keygen -p -a 100 -f FILE`", how.Rounds, maxRounds)
	}
	secret := bcryptPBKDF(passphrase, how.Salt, int(how.Rounds), c.key+c.iv)
	defer clear(secret)
	return c.open(secret[:c.key], secret[c.key:], sealed, tag)
}
