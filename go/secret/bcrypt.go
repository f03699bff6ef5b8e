package secret

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"

	//lint:ignore SA1019 OpenSSH's key files are made with it: no choice
	"golang.org/x/crypto/blowfish"
)

// bcryptPBKDF fills key with the KDF of OpenSSH's private key files (bcrypt_pbkdf(3)
// of OpenBSD). x/crypto has it where only x/crypto/ssh can use it, and there it
// leaves the private key on the heap.
func bcryptPBKDF(key, passphrase, salt []byte, rounds int) {
	var (
		secret, saltHash [sha512.Size]byte
		block, sum       [32]byte
	)
	defer func() {
		clear(secret[:])
		clear(block[:])
		clear(sum[:])
	}()
	h := sha512.New()
	defer wipeObject(h)
	h.Write(passphrase)
	h.Sum(secret[:0])
	// Each block's bytes are spread over the whole key, so that all of it costs
	// all rounds of all blocks.
	blocks := (len(key) + len(block) - 1) / len(block)
	for n := range blocks {
		h.Reset()
		h.Write(salt)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(n+1)))
		h.Sum(saltHash[:0])
		bcryptHash(&block, &secret, &saltHash)
		sum = block
		for range rounds - 1 {
			h.Reset()
			h.Write(block[:])
			h.Sum(saltHash[:0])
			bcryptHash(&block, &secret, &saltHash)
			subtle.XORBytes(sum[:], sum[:], block[:])
		}
		for i := 0; i*blocks+n < len(key); i++ {
			key[i*blocks+n] = sum[i]
		}
	}
}

// bcryptHash is bcrypt's core on hashes instead of a password and a salt.
func bcryptHash(out *[32]byte, secret, salt *[sha512.Size]byte) {
	c, err := blowfish.NewSaltedCipher(secret[:], salt[:])
	if err != nil {
		panic("secret: " + err.Error()) // only for an empty key
	}
	defer wipeObject(c)
	for range 64 {
		blowfish.ExpandKey(salt[:], c)
		blowfish.ExpandKey(secret[:], c)
	}
	copy(out[:], "OxychromaticBlowfishSwatDynamite")
	for range 64 {
		for i := 0; i < len(out); i += blowfish.BlockSize {
			c.Encrypt(out[i:], out[i:])
		}
	}
	for i := 0; i < len(out); i += 4 {
		binary.LittleEndian.PutUint32(out[i:], binary.BigEndian.Uint32(out[i:]))
	}
}
