package node

import (
	"context"
	"crypto/ed25519"
	"net"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/transport"
)

// The methods that the log names.
const (
	methodKey         = "key"
	methodToken       = "token"
	methodCertificate = "certificate"
	methodNone        = "none"
)

// door judges the credentials of one connection by the head's present policy, counts
// those that are refused, and logs why. The peer is told nothing of that.
type door struct {
	head     *Head
	remote   net.Addr
	failures atomic.Int64
	quiet    atomic.Int64      // until when tokens are refused unseen, in Unix nanoseconds; 0 is not at all
	key      ed25519.PublicKey // the key that the transport has proven, if any
	keyErr   error             // why it alone does not do
}

// IdentityFromKey implements auth.IdentityProvider. A key that is not known may come
// with a certificate: refuse tells when nothing else has come.
func (d *door) IdentityFromKey(ctx context.Context, key ed25519.PublicKey) (*auth.Identity, error) {
	id, err := d.head.policy.Load().Provider.IdentityFromKey(ctx, key)
	d.key, d.keyErr = key, err
	return id, err
}

// IdentityFromToken implements auth.IdentityProvider.
func (d *door) IdentityFromToken(ctx context.Context, token string) (*auth.Identity, error) {
	if d.blocked() {
		return nil, auth.ErrUnauthenticated
	}
	id, err := d.head.policy.Load().Provider.IdentityFromToken(ctx, token)
	if err != nil {
		d.reject(methodToken, err)
	}
	return id, err
}

// AcceptsCertificates implements auth.CertificateProvider.
func (d *door) AcceptsCertificates() bool {
	certificates, ok := d.head.policy.Load().Provider.(auth.CertificateProvider)
	return ok && certificates.AcceptsCertificates()
}

// IdentityFromCertificate implements auth.CertificateProvider.
func (d *door) IdentityFromCertificate(ctx context.Context, certificate string, proven ed25519.PublicKey, token string) (*auth.Identity, error) {
	provider, ok := d.head.policy.Load().Provider.(auth.CertificateProvider)
	if !ok {
		return nil, auth.ErrUnauthenticated
	}
	id, err := provider.IdentityFromCertificate(ctx, certificate, proven, token)
	if err != nil {
		d.reject(methodCertificate, err)
	}
	return id, err
}

// reject counts and logs one refusal.
func (d *door) reject(method string, err error) {
	d.head.refused(d.remote, method, err)
	limit := d.head.policy.Load().Admission.FailuresPerConnection
	if n := d.failures.Add(1); limit > 0 && n%int64(limit) == 0 {
		d.quiet.Store(time.Now().Add(admission.FailureWindow).UnixNano())
	}
}

// blocked reports whether the connection has had so many tokens refused that further
// ones are not looked at for a while. The connection itself goes on: it may be a
// gateway's, with the requests of others on it.
func (d *door) blocked() bool {
	until := d.quiet.Load()
	return until != 0 && time.Now().UnixNano() < until
}

// refuse tells of a connection that ended without a credential that would do, unless
// that was told already.
func (d *door) refuse() {
	switch {
	case d.failures.Load() > 0:
	case d.keyErr != nil:
		d.reject(methodKey, d.keyErr)
	default:
		d.reject(methodNone, &auth.RejectError{Reason: "no-credential"})
	}
}

// refused counts a credential that was refused, and writes the one line about it.
func (h *Head) refused(remote net.Addr, method string, err error) {
	claimed, reason := auth.Rejection(err)
	auth.LogRejected(h.cfg.Logger, "reject", remote, method, claimed, reason)
	if skew := auth.Skew(err); skew != 0 {
		h.cfg.Logger.Warn("a token's time and this clock differ: set both clocks, a token is valid for 300 s", "addr", auth.Host(remote), "fingerprint", claimed, "by", skew.String())
	}
	if h.cfg.OnReject != nil {
		h.cfg.OnReject(Rejection{auth.Host(remote), method, claimed, reason})
	}
	if h.gate.Failed(&h.policy.Load().Admission, remote) {
		auth.LogRejected(h.cfg.Logger, "block", remote, method, "", admission.TooManyFailures)
	}
}

// entrance is the head as its listeners' gate.
type entrance struct{ head *Head }

// Admit implements transport.Gate.
func (e entrance) Admit(remote net.Addr, close func()) (transport.Pass, bool) {
	pass, reason, note := e.head.gate.Admit(&e.head.policy.Load().Admission, remote, close)
	if reason != "" && e.head.cfg.OnTurnedAway != nil {
		e.head.cfg.OnTurnedAway(remote, reason)
	}
	if note {
		auth.LogRejected(e.head.cfg.Logger, "turned-away", remote, methodNone, "", reason)
	}
	return pass, reason == ""
}

// Unproven implements transport.Gate. The key is not named: it is somebody else's.
func (e entrance) Unproven(remote net.Addr) {
	e.head.refused(remote, methodKey, &auth.RejectError{Reason: "unproven-key"})
}

// Suspicious implements transport.Gate.
func (e entrance) Suspicious(remote net.Addr) bool {
	return e.head.gate.Suspicious(&e.head.policy.Load().Admission, remote)
}
