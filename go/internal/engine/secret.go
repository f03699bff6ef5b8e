package engine

import (
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/secret"
)

// secretOperation carries out one operation of a keyring on its target; arguments are JSON without a secret, input may be one and stays
// the caller's. The result is the caller's, to wipe. docs/ABI.md lists them all.
type secretOperation func(e *Environment, t target, arguments, input []byte) ([]byte, error)

var secretOperations = map[string]secretOperation{
	"new": newStore,
	"close": func(e *Environment, t target, _, _ []byte) ([]byte, error) {
		e.keyring.closeStore(t.number)
		return nil, nil
	},
	"forget": func(e *Environment, t target, _, _ []byte) ([]byte, error) {
		e.keyring.forget(t.number)
		return nil, nil
	},
	"lock":        onStore(lock),
	"status":      onStore(func(_ *Environment, s *store, _, _ []byte) ([]byte, error) { return json.Marshal(s.Status()) }),
	"observe":     onStore(observe),
	"derive":      onStore(derive),
	"identity":    onStore(newIdentity),
	"encrypt":     onStore(encrypt),
	"decrypt":     onStore(decrypt),
	"rotate":      onStore(rotate),
	"password":    onStore(password),
	"rawPassword": onStore(rawPassword),

	"credentialAdd":    onStore(addCredential),
	"credentialGet":    onStore(getCredential),
	"credentialSecret": onStore(credentialSecret),
	"credentialList":   onStore(listCredentials),
	"credentialRemove": onStore(removeCredential),

	"sign":             onKey(func(k *key, _, input []byte) ([]byte, error) { return k.Sign(input) }),
	"seal":             onKey(func(k *key, _, input []byte) ([]byte, error) { return k.Seal(input) }),
	"open":             onKey(func(k *key, _, input []byte) ([]byte, error) { return k.Open(input) }),
	"exportPrivateKey": onKey(func(k *key, _, _ []byte) ([]byte, error) { return k.ExportPrivateKey() }),
	"authToken":        onKey(authToken),
	"sshPublicKey":     onKey(sshPublicKey),
	"ethereumAddress":  onKey(ethereumAddress),
	"signDigest":       onKey(signDigest),
	"signMessage":      onKey(signMessage),
	"signTypedData":    onKey(signTypedData),

	"generateMnemonic": generateMnemonic,
	"validateMnemonic": validateMnemonic,
}

// Secret carries out a short operation on secrets, on the thread of the caller.
// arguments are JSON without a secret, or empty; input may be secret and stays the
// caller's. The answer is the caller's, to wipe; AsError makes its error an object.
func (e *Environment) Secret(name string, handle int64, arguments, input []byte) ([]byte, error) {
	return e.operate(name, e.keyring.target(handle), arguments, input)
}

func (e *Environment) operate(name string, t target, arguments, input []byte) ([]byte, error) {
	operation, ok := secretOperations[name]
	if !ok {
		return nil, call.Errorf(call.Unimplemented, "there is no operation %q on secrets", name)
	}
	return operation(e, t, arguments, input)
}

func onStore(do func(e *Environment, s *store, arguments, input []byte) ([]byte, error)) secretOperation {
	return func(e *Environment, t target, arguments, input []byte) ([]byte, error) {
		if t.store == nil {
			return nil, errStoreClosed
		}
		return do(e, t.store, arguments, input)
	}
}

func onKey(do func(k *key, arguments, input []byte) ([]byte, error)) secretOperation {
	return func(_ *Environment, t target, arguments, input []byte) ([]byte, error) {
		if t.key == nil {
			return nil, errNoKey
		}
		return do(t.key, arguments, input)
	}
}

// read parses arguments, which lib/ has written.
func read(arguments []byte, into any) error {
	if len(arguments) == 0 {
		return nil
	}
	if err := json.Unmarshal(arguments, into); err != nil {
		return call.Errorf(call.InvalidInput, "the arguments: %w", err)
	}
	return nil
}

func generateMnemonic(_ *Environment, _ target, arguments, _ []byte) ([]byte, error) {
	var a struct {
		Words    int
		Wordlist secret.Wordlist
	}
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	return secret.GenerateMnemonic(a.Words, a.Wordlist)
}

func validateMnemonic(_ *Environment, _ target, _, phrase []byte) ([]byte, error) {
	list, err := secret.ValidateMnemonic(phrase)
	return []byte(list), err
}
