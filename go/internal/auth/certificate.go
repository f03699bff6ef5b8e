package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/principal"
)

// maxCertificate bounds a certificate's text, in characters: it travels in the first
// frame of a stranger, and real ones have about 700.
const maxCertificate = 6 << 10

// The critical options of user certificates (PROTOCOL.certkeys of OpenSSH).
const (
	optionForceCommand  = "force-command"
	optionSourceAddress = "source-address"
)

const extensionPortForwarding = "permit-port-forwarding"

// forever is the ValidBefore of a certificate without an end.
const forever = 1<<64 - 1

// ParseCertificate checks that a line is an OpenSSH user certificate of an Ed25519
// key, "ssh-ed25519-cert-v01@openssh.com AAAA… comment", and returns the certified
// key. It verifies nothing.
func ParseCertificate(line string) (ed25519.PublicKey, error) {
	_, key, err := parseCertificate(line)
	return key, err
}

func parseCertificate(line string) (*ssh.Certificate, ed25519.PublicKey, error) {
	if len(line) > maxCertificate {
		return nil, nil, errors.New("the certificate is too long")
	}
	text, err := oneLine(line)
	if err != nil {
		return nil, nil, fmt.Errorf("this is not a certificate: %w", err)
	}
	public, _, options, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil || len(options) > 0 {
		return nil, nil, errors.New("this is not a certificate: want a line such as `ssh-ed25519-cert-v01@openssh.com AAAA… name`, as `ssh-keygen -s` writes to a file -cert.pub")
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok {
		return nil, nil, errors.New("this is a public key, not a certificate: `ssh-keygen -s` writes that to a file -cert.pub")
	}
	key, err := ed25519Of(certificate.Key)
	if err != nil {
		return nil, nil, err
	}
	return certificate, key, nil
}

// AcceptsCertificates implements CertificateProvider.
func (s *KeySet) AcceptsCertificates() bool { return len(s.current.Load().authorities) > 0 }

// IdentityFromCertificate implements CertificateProvider. The identity's id is the
// fingerprint of the certified key, and its scopes are those of the authority.
func (s *KeySet) IdentityFromCertificate(ctx context.Context, line string, proven ed25519.PublicKey, token string) (*Identity, error) {
	certificate, key, err := parseCertificate(line)
	if err != nil {
		return nil, reject("malformed-certificate")
	}
	set := s.current.Load()
	id, err := s.shown(ctx, set, certificate, key, proven, token)
	return claimed(id, err, principal.Fingerprint(key))
}

// shown checks that whoever shows a certificate has its key, and then judges it.
func (s *KeySet) shown(ctx context.Context, set *keys, certificate *ssh.Certificate, key, proven ed25519.PublicKey, token string) (*Identity, error) {
	if proven == nil {
		signed, err := ParseToken(token)
		if err != nil {
			return nil, reject("malformed-token")
		}
		if signed.KeyID() != KeyID(key) {
			return nil, reject("certificate-of-another-key")
		}
		if err := s.checkToken(set, signed, key); err != nil {
			return nil, err
		}
		proven = key
	}
	if subtle.ConstantTimeCompare(key, proven) != 1 {
		return nil, reject("certificate-of-another-key")
	}
	return s.fromCertificate(ctx, set, certificate, key)
}

// fromCertificate judges a certificate whose holder has proven to have its key.
func (s *KeySet) fromCertificate(ctx context.Context, set *keys, certificate *ssh.Certificate, key ed25519.PublicKey) (*Identity, error) {
	if checkAuthority(certificate.SignatureKey) != nil {
		return nil, reject("unknown-authority")
	}
	authority := authorityOf(certificate.SignatureKey)
	grants := set.authorities[authority]
	_, revoked := set.revokedAuthorities[authority]
	switch {
	case set.isRevoked(key), revoked:
		return nil, reject("revoked-key")
	case len(grants) == 0:
		return nil, reject("unknown-authority")
	}
	switch reason := signed(certificate); {
	case reason != "":
		return nil, reject(reason)
	case certificate.CertType != ssh.UserCert:
		return nil, reject("host-certificate")
	}
	if err := s.inForce(certificate); err != nil {
		return nil, err
	}
	if err := checkCriticalOptions(ctx, certificate); err != nil {
		return nil, err
	}
	if len(certificate.ValidPrincipals) == 0 {
		return nil, reject("no-principal") // it would be everybody's
	}
	// The first line that fits decides, as with sshd.
	err := error(reject("wrong-principal"))
	for _, grant := range grants {
		if grant.Principals != nil && !slices.ContainsFunc(grant.Principals, func(p string) bool { return slices.Contains(certificate.ValidPrincipals, p) }) {
			continue
		}
		var identity *Identity
		if identity, err = s.identity(ctx, set, grant, key); err != nil {
			continue
		}
		identity.via = &credential{key: key, certificate: certificate}
		identity.Expires = earlier(identity.Expires, certificateEnd(certificate))
		_, forwarding := certificate.Extensions[extensionPortForwarding]
		identity.NoForwarding = identity.NoForwarding || !forwarding
		return identity, nil
	}
	return nil, err
}

// inForce checks the dates, which are Unix seconds: from ValidAfter on, and before
// ValidBefore.
func (s *KeySet) inForce(certificate *ssh.Certificate) error {
	now := uint64(s.now().Unix())
	switch {
	case now < certificate.ValidAfter:
		return reject("certificate-not-yet-valid")
	case certificate.ValidBefore != forever && now >= certificate.ValidBefore:
		return reject("certificate-expired")
	}
	return nil
}

// certificateEnd gives ValidBefore as a time, zero where it is beyond counting.
func certificateEnd(certificate *ssh.Certificate) time.Time {
	if certificate.ValidBefore > 1<<62 {
		return time.Time{}
	}
	return time.Unix(int64(certificate.ValidBefore), 0)
}

// earlier returns the end that comes first; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// checkCriticalOptions refuses every option that would have to be obeyed and cannot
// be: a certificate that allows one command allows nothing here.
func checkCriticalOptions(ctx context.Context, certificate *ssh.Certificate) error {
	for name, value := range certificate.CriticalOptions {
		switch name {
		case optionSourceAddress:
			addr, ok := peerAddr(ctx)
			allowed := false
			for _, pattern := range split(value) {
				prefix, err := parsePrefix(pattern)
				if err != nil {
					return reject("critical-option")
				}
				allowed = allowed || ok && contains([]netip.Prefix{prefix}, addr)
			}
			if !allowed {
				return reject("source-address")
			}
		case optionForceCommand:
			return reject("force-command")
		default:
			return reject("critical-option")
		}
	}
	return nil
}

// contains reports whether one of the networks holds the address, whatever its zone.
func contains(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}
