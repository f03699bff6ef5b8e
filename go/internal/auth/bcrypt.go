package auth

import (
	"crypto/sha512"
	"encoding/binary"

	//lint:ignore SA1019 OpenSSH's key files are made with it: no choice
	"golang.org/x/crypto/blowfish"
)

// bcryptBlock is what one run of bcryptHash gives, in bytes.
const bcryptBlock = 32

// bcryptPBKDF makes a key of a passphrase as bcrypt_pbkdf(3) of OpenBSD does, which
// OpenSSH protects keys with. x/crypto has it too, where it cannot be imported.
func bcryptPBKDF(passphrase, salt []byte, rounds, size int) []byte {
	blocks := (size + bcryptBlock - 1) / bcryptBlock
	key := make([]byte, blocks*bcryptBlock)
	hashed := sha512.Sum512(passphrase)
	defer clear(hashed[:])
	var run, sum [bcryptBlock]byte
	defer clear(run[:])
	defer clear(sum[:])
	for block := range blocks {
		salted := sha512.Sum512(binary.BigEndian.AppendUint32(append([]byte{}, salt...), uint32(block+1)))
		bcryptHash(&run, &hashed, &salted)
		sum = run
		for range rounds - 1 {
			salted = sha512.Sum512(run[:])
			bcryptHash(&run, &hashed, &salted)
			for i, b := range run {
				sum[i] ^= b
			}
		}
		for i, b := range sum { // the blocks are interleaved
			key[i*blocks+block] = b
		}
	}
	return key[:size]
}

func bcryptHash(out *[bcryptBlock]byte, passphrase, salt *[sha512.Size]byte) {
	c, err := blowfish.NewSaltedCipher(passphrase[:], salt[:])
	if err != nil {
		panic(err) // only for a key of a wrong length
	}
	for range 64 {
		blowfish.ExpandKey(salt[:], c)
		blowfish.ExpandKey(passphrase[:], c)
	}
	copy(out[:], "OxychromaticBlowfishSwatDynamite")
	for at := 0; at < bcryptBlock; at += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(out[at:], out[at:])
		}
	}
	for at := 0; at < bcryptBlock; at += 4 {
		binary.LittleEndian.PutUint32(out[at:], binary.BigEndian.Uint32(out[at:]))
	}
}
