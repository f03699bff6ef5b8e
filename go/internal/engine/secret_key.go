package engine

import (
	"time"

	"github.com/alkdev/alknet/go/secret"
)

func authToken(k *key, arguments, _ []byte) ([]byte, error) {
	var a struct{ At int64 } // Unix seconds
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	token, err := k.AuthToken(time.Unix(a.At, 0))
	return []byte(token), err
}

func sshPublicKey(k *key, arguments, _ []byte) ([]byte, error) {
	comment, err := commentOf(arguments)
	if err != nil {
		return nil, err
	}
	line, err := k.SSHPublicKey(comment)
	return []byte(line), err
}

func commentOf(arguments []byte) (string, error) {
	var a struct{ Comment string }
	err := read(arguments, &a)
	return a.Comment, err
}

func ethereumAddress(k *key, _, _ []byte) ([]byte, error) {
	address, err := k.EthereumAddress()
	return []byte(address), err
}

func signDigest(k *key, _, digest []byte) ([]byte, error) {
	if len(digest) != 32 {
		return nil, &secret.Error{Code: secret.InvalidInput, Message: "a digest has 32 bytes"}
	}
	return ethereumSignature(k.SignEthereumDigest([32]byte(digest)))
}

func signMessage(k *key, _, message []byte) ([]byte, error) {
	return ethereumSignature(k.SignEthereumMessage(message))
}

func signTypedData(k *key, _, typedData []byte) ([]byte, error) {
	return ethereumSignature(k.SignTypedData(typedData))
}

func ethereumSignature(signature secret.EthereumSignature, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return signature.MarshalText()
}
