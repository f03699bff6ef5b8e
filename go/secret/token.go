package secret

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// AuthToken returns an AuthToken of an Ed25519 key, made at a time (whole seconds):
// 139 characters of base64url, without padding, of key_id(32) ‖ timestamp(8) ‖
// signature(64). It is a credential for as long as the other side takes it, usually
// five minutes. Errors: LOCKED, CLOSED, INVALID_INPUT.
func (h *Handle) AuthToken(at time.Time) (string, error) {
	if err := h.require(Ed25519, "a token"); err != nil {
		return "", err
	}
	raw := make([]byte, 0, sha256.Size+8+ed25519.SignatureSize)
	id := sha256.Sum256(h.public)
	raw = append(raw, id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(at.Unix()))
	signature, err := h.Sign(raw)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, signature...)), nil
}
