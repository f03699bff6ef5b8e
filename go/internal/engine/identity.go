package engine

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"sync/atomic"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/secret"
)

// identity is an Ed25519 key of a store that nodes sign with. The private key does
// not leave the store.
type identity struct {
	crypto.Signer
	store *store
}

// newIdentity answers with the public parts of the identity's key.
func newIdentity(e *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a struct {
		Identity int64
		Path     string
	}
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	path, err := secret.ParsePath(a.Path)
	if err != nil {
		return nil, err
	}
	signer, err := s.Signer(path)
	if err != nil {
		return nil, err
	}
	if err := e.keyring.enter(func() { e.keyring.identities[a.Identity] = &identity{signer, s} }); err != nil {
		return nil, err
	}
	key := signer.Public().(ed25519.PublicKey)
	return json.Marshal(map[string]string{
		"path": path.String(), "publicKey": auth.MarshalPublicKey(key, ""),
		"endpointId": principal.EndpointID(key), "fingerprint": principal.Fingerprint(key),
	})
}

// endpointSigner signs for one endpoint with its identity, and tells the endpoint
// when the store does not: crypto/tls passes the text of that error on, but not
// the error.
type endpointSigner struct {
	*identity
	refused func(error) // called once each time that the store has stopped signing
	silent  atomic.Bool
}

func (s *endpointSigner) Sign(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := s.Signer.Sign(rand, message, opts)
	if err == nil {
		s.silent.Store(false)
	} else if !s.silent.Swap(true) {
		s.refused(err)
	}
	return signature, err
}

// signerOf returns what an endpoint signs with as an identity.
func (e *Environment) signerOf(ep *endpoint, id *identity) crypto.Signer {
	e.mu.Lock()
	ep.identity = id
	e.mu.Unlock()
	return &endpointSigner{identity: id, refused: func(err error) {
		var refusal *secret.Error
		if errors.As(err, &refusal) {
			e.refused(ep, refusal)
		}
	}}
}

// refused ends a connection whose store does not sign any more: it could not come
// back. A server goes on, and can sign again once its store is unlocked.
func (e *Environment) refused(ep *endpoint, err error) {
	e.mu.Lock()
	if ep.head == nil && ep.cause == nil {
		ep.cause = err
	}
	now := *ep
	e.mu.Unlock()
	switch {
	case now.client != nil:
		e.run(func() { now.stop(0) })
	case now.head != nil:
		e.logger.Warn("a handshake was refused: the store of this node's identity does not sign", "error", err)
	}
}

var errIdentityLocked = &secret.Error{Code: secret.Locked, Message: "the store of this node's identity was locked"}

// disconnect ends the connections, and the sessions of the servers, that have their
// identity from a store.
func (e *Environment) disconnect(s *store) {
	e.mu.Lock()
	var ending []endpoint
	for _, ep := range e.nodes {
		if ep.identity != nil && ep.identity.store == s {
			if ep.head == nil && ep.cause == nil {
				ep.cause = errIdentityLocked
			}
			ending = append(ending, *ep)
		}
	}
	e.mu.Unlock()
	for _, ep := range ending {
		e.run(func() {
			if ep.head == nil {
				ep.stop(0)
				return
			}
			for _, session := range ep.head.Sessions() {
				session.Close(errIdentityLocked.Message)
			}
		})
	}
}
