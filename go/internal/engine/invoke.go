package engine

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"runtime"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
)

// ABIVersion is ALK_ABI_VERSION: the version of the messages, which both sides of a pipe
// must have in common.
const ABIVersion = 5

// Invoke carries out a synchronous operation; ok false means that answer is an
// error object. The caller wipes input and answer.
func Invoke(name string, input []byte) (answer []byte, ok bool) {
	value, err := invoked(name, input)
	if err == nil {
		if answer, err = json.Marshal(value); err == nil {
			return answer, true
		}
	}
	return AsError(err).AppendJSON(nil), false
}

func invoked(name string, input []byte) (any, error) {
	switch name {
	case "version":
		return map[string]any{"version": Version, "go": runtime.Version(), "abi": ABIVersion}, nil
	case "generateKey":
		return generateKey(string(input))
	case "publicKey":
		return publicKey(input)
	case "parseAddress":
		a, err := transport.ParseAddress(string(input))
		if err != nil {
			return nil, call.Errorf(call.InvalidInput, "%w", err)
		}
		told := map[string]any{"scheme": a.Scheme, "endpointId": nil, "host": a.Host, "port": a.Port, "path": a.Path}
		if a.Peer != nil {
			told["endpointId"] = principal.EndpointID(a.Peer)
		}
		return told, nil
	}
	return nil, call.Errorf(call.Unimplemented, "there is no synchronous operation %q", name)
}

func generateKey(comment string) (any, error) {
	if err := auth.CheckComment(comment); err != nil {
		return nil, call.Errorf(call.InvalidInput, "%w", err)
	}
	key, err := auth.GenerateKey()
	if err != nil {
		return nil, err
	}
	defer clear(key)
	text, err := auth.MarshalPrivateKey(key, comment, nil)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	told := describe(key.Public().(ed25519.PublicKey), comment)
	told["privateKey"] = string(text)
	return told, nil
}

func publicKey(input []byte) (any, error) {
	if bytes.Contains(input, []byte("PRIVATE KEY-----")) {
		key, comment, err := auth.ParseCommentedKey(input, nil)
		if err != nil {
			return nil, call.Errorf(call.InvalidInput, "%w", err)
		}
		defer clear(key)
		return describe(key.Public().(ed25519.PublicKey), comment), nil
	}
	key, comment, err := auth.ParsePublicKey(string(input))
	if err != nil {
		return nil, call.Errorf(call.InvalidInput, "%w", err)
	}
	return describe(key, comment), nil
}

func describe(key ed25519.PublicKey, comment string) map[string]any {
	return map[string]any{
		"publicKey": auth.MarshalPublicKey(key, comment), "endpointId": principal.EndpointID(key), "fingerprint": principal.Fingerprint(key),
	}
}
