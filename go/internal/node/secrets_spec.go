package node

import (
	"encoding/json"
	"fmt"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/secret"
)

// The codes of the secret operations beside those of the call protocol.
const (
	codeLocked            = call.Code(secret.Locked)
	codeInvalidPath       = call.Code(secret.InvalidPath)
	codeDecryptionFailed  = call.Code(secret.DecryptionFailed)
	codeUnknownKeyVersion = call.Code(secret.UnknownKeyVersion)
	codeNotExportable     = call.Code(secret.NotExportable)
)

// errorSchemas declares codes; none of them has details.
func errorSchemas(codes ...call.Code) map[string]json.RawMessage {
	schemas := map[string]json.RawMessage{}
	for _, code := range codes {
		schemas[string(code)] = json.RawMessage(`false`)
	}
	return schemas
}

// secretScope lets one scope in.
func secretScope(name string) call.AccessControl {
	return call.AccessControl{RequiredScopes: []string{"secrets:" + name}}
}

// base64Of describes bytes; limit is how many there may be.
func base64Of(limit int, what string) string {
	return fmt.Sprintf(`{"type":"string","contentEncoding":"base64","maxLength":%d,"description":%q}`, (limit+2)/3*4, what)
}

const (
	pathSchema     = `{"type":"string","maxLength":256,"description":"A derivation path, as in m/74'/3'/0'"}`
	versionSchema  = `{"type":"integer","minimum":0,"maximum":4294967295,"description":"The sealing key's version"}`
	sealedOverhead = 16 // bytes: the tag of AES-256-GCM
	maxSealedExtra = 1024
)

func object(required, properties string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"object","required":[%s],"additionalProperties":false,"properties":{%s}}`, required, properties))
}

func typeSchema(types string) string {
	return fmt.Sprintf(`{"enum":[%s],"default":"ed25519"}`, types)
}

// encryptedData describes an EncryptedData; both directions have the same form.
var encryptedData = object(`"key_version","salt","iv","data"`, `"key_version":`+versionSchema+
	`,"salt":`+base64Of(maxSealedExtra, "Not used; kept for compatibility")+
	`,"iv":`+base64Of(maxSealedExtra, "The nonce, 12 bytes")+
	`,"data":`+base64Of(MaxSecretInput+sealedOverhead, "Ciphertext and tag"))

// Only asking for a public key is a query. The others must not be repeated, nor
// travel in an address, nor be answered from a cache.
var (
	publicKeySpec = call.OperationSpec{
		Name: "/secrets/publicKey", Type: call.TypeQuery, Description: "The public key at a path",
		InputSchema:   object(`"path"`, `"path":`+pathSchema+`,"type":`+typeSchema(`"ed25519","secp256k1"`)),
		OutputSchema:  object(`"path","type","publicKey"`, `"path":`+pathSchema+`,"type":`+typeSchema(`"ed25519","secp256k1"`)+`,"publicKey":`+base64Of(33, "32 bytes for ed25519, 33 for secp256k1")),
		ErrorSchemas:  errorSchemas(codeLocked, codeInvalidPath),
		AccessControl: secretScope("publicKey"), Tags: []string{"secrets"},
	}
	signSpec = call.OperationSpec{
		Name: "/secrets/sign", Type: call.TypeMutation, Description: "Signs a message with the key at a path; with secp256k1, a digest of 32 bytes",
		InputSchema:   object(`"path","message"`, `"path":`+pathSchema+`,"type":`+typeSchema(`"ed25519","secp256k1"`)+`,"message":`+base64Of(MaxSecretInput, "What is signed")),
		OutputSchema:  object(`"signature","publicKey"`, `"signature":`+base64Of(65, "64 bytes (RFC 8032), or r, s and the recovery id")+`,"publicKey":`+base64Of(33, "The key that signed")),
		ErrorSchemas:  errorSchemas(codeLocked, codeInvalidPath),
		AccessControl: secretScope("sign"), Tags: []string{"secrets"},
	}
	encryptSpec = call.OperationSpec{
		Name: "/secrets/encrypt", Type: call.TypeMutation, Description: "Seals bytes with the sealing key of a version",
		InputSchema:   object(`"plaintext"`, `"plaintext":`+base64Of(MaxSecretInput, "What is sealed")+`,"version":`+versionSchema),
		OutputSchema:  encryptedData,
		ErrorSchemas:  errorSchemas(codeLocked, codeUnknownKeyVersion),
		AccessControl: secretScope("encrypt"), Tags: []string{"secrets"},
	}
	decryptSpec = call.OperationSpec{
		Name: "/secrets/decrypt", Type: call.TypeMutation, Description: "Opens what was sealed",
		InputSchema:   encryptedData,
		OutputSchema:  object(`"plaintext"`, `"plaintext":`+base64Of(MaxSecretInput, "What was sealed")),
		ErrorSchemas:  errorSchemas(codeLocked, codeUnknownKeyVersion, codeDecryptionFailed),
		AccessControl: secretScope("decrypt"), Tags: []string{"secrets"},
	}
	deriveSpec = call.OperationSpec{
		Name: "/secrets/derive", Type: call.TypeMutation, Description: "Gives out the private key at a path",
		InputSchema:   object(`"path"`, `"path":`+pathSchema+`,"type":`+typeSchema(`"ed25519","secp256k1","aes-256-gcm"`)),
		OutputSchema:  object(`"path","type","privateKey"`, `"path":`+pathSchema+`,"type":`+typeSchema(`"ed25519","secp256k1","aes-256-gcm"`)+`,"publicKey":`+base64Of(33, "Absent for aes-256-gcm")+`,"privateKey":`+base64Of(32, "The Ed25519 seed, the secp256k1 scalar or the AES key")),
		ErrorSchemas:  errorSchemas(codeLocked, codeInvalidPath, codeNotExportable),
		AccessControl: secretScope("derive"), Tags: []string{"secrets"},
	}
)
