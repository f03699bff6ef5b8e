package frameif

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"net"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
)

// Accept opens the listening side of a session on conn: a proven key is looked up
// with provider, anything else must come with a token or, where provider is a
// CertificateProvider, with a certificate. cfg's Identity, KeyProven, Tokens and
// Certificates are filled in here. On an error conn is closed.
func Accept(ctx context.Context, conn transport.Conn, provider auth.IdentityProvider, cfg call.Config) (*call.Session, error) {
	ctx = auth.ContextWithRemote(ctx, conn.RemoteAddr())
	key := conn.PeerKey()
	cfg.Established = conn.Established()
	cfg.Tokens = remoteTokens{provider, conn.RemoteAddr()}
	certificates, _ := provider.(auth.CertificateProvider)
	if certificates != nil && !certificates.AcceptsCertificates() {
		certificates = nil
	}
	if certificates != nil {
		cfg.Certificates = remoteCertificates{certificates, conn.RemoteAddr(), key}
	}
	if key != nil {
		identity, err := provider.IdentityFromKey(ctx, key)
		switch {
		case err == nil:
			cfg.Identity, cfg.KeyProven = identity, true
		case certificates != nil: // it may be certified: session.open tells
		case cfg.AllowAnonymous:
			cfg.KeyProven = true // known by its key, and granted nothing
		default:
			cfg.Refuse = call.Errorf(call.Unauthenticated, "the credential was refused")
		}
	}
	return call.Accept(ctx, linkOf(conn), cfg)
}

// remoteTokens verifies tokens in the knowledge of where they came from.
type remoteTokens struct {
	provider auth.IdentityProvider
	remote   net.Addr
}

func (t remoteTokens) IdentityFromToken(ctx context.Context, token string) (*auth.Identity, error) {
	return t.provider.IdentityFromToken(auth.ContextWithRemote(ctx, t.remote), token)
}

// remoteCertificates does the same for certificates, and knows the key that they
// must be for.
type remoteCertificates struct {
	provider auth.CertificateProvider
	remote   net.Addr
	key      ed25519.PublicKey
}

func (c remoteCertificates) IdentityFromCertificate(ctx context.Context, certificate, token string) (*auth.Identity, error) {
	return c.provider.IdentityFromCertificate(auth.ContextWithRemote(ctx, c.remote), certificate, c.key, token)
}

// Credential is what the dialling side signs in with. Where its transport proves no
// key that is an explicit token, or one made from the signer for each connection; a
// certificate of the signer's key goes along everywhere.
type Credential struct {
	Signer      crypto.Signer
	Token       string
	Certificate string
}

// refusal makes the answer UNAUTHENTICATED of a node that has proven its key an error that
// says whose key it has refused. Elsewhere anybody on the path may have given it.
func refusal(err error, conn transport.Conn, credential Credential) error {
	if call.CodeOf(err) != call.Unauthenticated || conn.PeerKey() == nil {
		return err
	}
	// Of a token or a certificate it is not said which part was refused.
	if credential.Certificate != "" || credential.Token != "" && credential.Signer == nil {
		return err
	}
	if credential.Signer == nil {
		return transport.Refused(nil, err)
	}
	key, _ := credential.Signer.Public().(ed25519.PublicKey)
	return transport.Refused(key, err)
}

// Open opens the dialling side of a session on conn. peer is the key that the
// address pins, or nil: over a transport that proves no key, the node that answers
// must at least say that it is that one; a pinned node that has proven its key is
// believed on whose behalf it forwards requests. scopes are granted to the other side for
// its own calls. On an error conn is closed.
func Open(ctx context.Context, conn transport.Conn, peer ed25519.PublicKey, credential Credential, scopes []string, cfg call.Config) (*call.Session, error) {
	proven := credential.Signer != nil && (conn.Kind() == transport.KindQUIC || conn.Kind() == transport.KindTLS)
	switch {
	case proven: // the handshake has shown our key: a token would add nothing
	case credential.Token != "":
		cfg.Token = func() (string, error) { return credential.Token, nil }
	case credential.Signer != nil:
		cfg.Token = func() (string, error) { return auth.NewToken(credential.Signer, time.Now()) }
	}
	cfg.Certificate = credential.Certificate
	cfg.Identity = &auth.Identity{ID: "unproven:" + conn.Kind(), Scopes: scopes}
	if key := conn.PeerKey(); key != nil {
		cfg.Identity.ID, cfg.KeyProven = principal.Fingerprint(key), true
		cfg.TrustForwarded = peer != nil // the handshake has held it to the pinned key
	}
	session, err := call.Open(ctx, linkOf(conn), cfg)
	if err != nil {
		return nil, refusal(err, conn, credential)
	}
	if stated := session.Peer().Node; peer != nil && conn.PeerKey() == nil && stated != principal.EndpointID(peer) {
		session.Close("wrong node")
		got, err := principal.ParseEndpointID(stated)
		if err != nil {
			return nil, call.Errorf(call.ProtocolError, "the node does not say who it is, and the address names %s", principal.Fingerprint(peer))
		}
		return nil, &transport.PinMismatchError{Want: peer, Got: got}
	}
	return session, nil
}
