package transport

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/go/internal/principal"
)

// PinMismatchError says that the node at an address has another key than the
// address pins: it is not the node that was meant. Trying again does not help.
type PinMismatchError struct {
	Want, Got ed25519.PublicKey
}

// Error names both fingerprints.
func (e *PinMismatchError) Error() string {
	return fmt.Sprintf("the node has key %s but the address pins %s: if the node was given a new key, use its new address",
		principal.Fingerprint(e.Got), principal.Fingerprint(e.Want))
}

// RefusedError says that the other node did not accept our key, or that it wants
// one and we showed none. Trying again does not help until it is authorized there.
type RefusedError struct {
	Key   ed25519.PublicKey // nil: none was shown
	cause error
}

// Error says what to do about it.
func (e *RefusedError) Error() string {
	if e.Key == nil {
		return "the node refused a connection without a key: connect with a key that it has authorized"
	}
	return fmt.Sprintf("the node refused key %s: authorize it there with `alknet authorize`", principal.Fingerprint(e.Key))
}

// Unwrap returns the alert that told of the refusal.
func (e *RefusedError) Unwrap() error { return e.cause }

// refusedAlerts are the TLS alerts that judge a certificate (RFC 8446, section 6.2).
var refusedAlerts = map[uint8]bool{
	42:  true, // bad_certificate
	46:  true, // certificate_unknown
	48:  true, // unknown_ca
	49:  true, // access_denied
	116: true, // certificate_required
}

// Refused is the error of a node that has answered that it does not accept key, over a
// connection whose handshake was complete; nil is a connection without a key.
func Refused(key ed25519.PublicKey, cause error) *RefusedError { return &RefusedError{key, cause} }

// refusal turns the alert by which a peer refuses a certificate into a
// *RefusedError. In TLS 1.3 the client's handshake is over before the server has
// judged the client's certificate, so that the alert comes with any later read. It is
// not for errors of the handshake itself: there anybody can send an alert.
func refusal(err error, presented ed25519.PublicKey) error {
	if err == nil {
		return nil
	}
	var crypto *quic.TransportError
	if errors.As(err, &crypto) && crypto.Remote && crypto.ErrorCode.IsCryptoError() && refusedAlerts[uint8(crypto.ErrorCode)] {
		return &RefusedError{presented, err}
	}
	// crypto/tls keeps the type of a received alert to itself; its text is that of
	// tls.AlertError.
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		for alert := range refusedAlerts {
			if op.Err.Error() == tls.AlertError(alert).Error() {
				return &RefusedError{presented, err}
			}
		}
	}
	return err
}
