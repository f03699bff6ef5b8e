package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// ErrPassphraseRequired says that a private key is protected and no passphrase was
// given.
var ErrPassphraseRequired = errors.New("the private key is protected by a passphrase, and none was given")

// ErrWrongPassphrase says that the passphrase does not open the private key.
var ErrWrongPassphrase = errors.New("the passphrase does not open the private key")

// maxKeyFile bounds what is read of a key file, in bytes; real ones have under 1 KiB.
const maxKeyFile = 64 << 10

const opensshType = "OPENSSH PRIVATE KEY"

// ParsePrivateKey reads an Ed25519 private key in OpenSSH's format; passphrase is
// needed for a protected one, and nil otherwise. The caller owns both slices and
// the key that comes back.
func ParsePrivateKey(data, passphrase []byte) (ed25519.PrivateKey, error) {
	key, _, err := ParseCommentedKey(data, passphrase)
	return key, err
}

// ParseCommentedKey is ParsePrivateKey, with the comment that the file has.
func ParseCommentedKey(data, passphrase []byte) (key ed25519.PrivateKey, comment string, err error) {
	data, err = atomicfile.WithoutMark(data)
	if err != nil {
		return nil, "", fmt.Errorf("this is not a private key: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, "", errors.New("the private key is empty: want an OpenSSH Ed25519 key, as `ssh-keygen -t ed25519` makes")
	}
	block, _ := pem.Decode(data)
	if block == nil {
		if bytes.Contains(data, []byte("-----BEGIN "+opensshType)) {
			return nil, "", errDamaged
		}
		return nil, "", errors.New("this is not a private key: want an OpenSSH Ed25519 key, as `ssh-keygen -t ed25519` makes")
	}
	defer clear(block.Bytes)
	if block.Type != opensshType {
		return nil, "", fmt.Errorf("the key is in PEM format %q, and OpenSSH's is wanted: convert it with `ssh-keygen -p -f FILE`, or make an Ed25519 key with `ssh-keygen -t ed25519`", block.Type)
	}
	return parseOpenSSH(block.Bytes, passphrase)
}

// LoadPrivateKey reads a private key from a file. As ssh does, it refuses a file
// that others than its owner can read, or can replace.
func LoadPrivateKey(path string, passphrase []byte) (ed25519.PrivateKey, error) {
	key, _, err := LoadCommentedKey(path, passphrase)
	return key, err
}

// LoadCommentedKey is LoadPrivateKey, with the comment that the file has.
func LoadCommentedKey(path string, passphrase []byte) (key ed25519.PrivateKey, comment string, err error) {
	data, err := atomicfile.Read(path, maxKeyFile, atomicfile.Secret)
	defer clear(data)
	var refused *atomicfile.Error
	switch {
	case errors.As(err, &refused):
		return nil, "", fmt.Errorf("key file %w", err)
	case err != nil:
		return nil, "", fmt.Errorf("read the key file: %w", err)
	case len(data) == 0:
		return nil, "", fmt.Errorf("key file %s is empty: make a key with `alknet key generate`", path)
	}
	key, comment, err = ParseCommentedKey(data, passphrase)
	if err != nil {
		return nil, "", fmt.Errorf("key file %s: %w", path, err)
	}
	return key, comment, nil
}

// GenerateKey makes a new principal key.
func GenerateKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// MarshalPrivateKey gives the key in OpenSSH's format, protected when passphrase is
// not empty. The caller wipes what it does not need any more.
func MarshalPrivateKey(key ed25519.PrivateKey, comment string, passphrase []byte) ([]byte, error) {
	if err := CheckComment(comment); err != nil {
		return nil, err
	}
	var block *pem.Block
	var err error
	if len(passphrase) > 0 {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, comment, passphrase)
	} else {
		block, err = ssh.MarshalPrivateKey(key, comment)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the private key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}

// WritePrivateKey writes the key to a new file that its owner alone can read. A file
// that exists is never replaced: the error matches os.ErrExist.
func WritePrivateKey(path string, key ed25519.PrivateKey, comment string, passphrase []byte) error {
	data, err := MarshalPrivateKey(key, comment, passphrase)
	if err != nil {
		return err
	}
	defer clear(data)
	if err := atomicfile.Create(path, data); err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	return nil
}
