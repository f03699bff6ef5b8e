package auth

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

const (
	// minRSA is the least modulus of an authority's RSA key, in bits: NIST SP 800-131A
	// allows no less.
	minRSA = 2048
	// maxRSA bounds what a stranger's certificate can make the node compute.
	maxRSA = 8192
)

// authoritySignatures lists, by the type of an authority's key, the algorithms by which
// it may sign a certificate: of RSA those with SHA-2 (RFC 8332), not ssh-rsa, which is
// SHA-1.
var authoritySignatures = map[string][]string{
	ssh.KeyAlgoED25519:  {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256: {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384: {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521: {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoRSA:      {ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512},
}

// checkAuthority refuses keys that cannot be an authority's.
func checkAuthority(public ssh.PublicKey) error {
	if _, ok := authoritySignatures[public.Type()]; !ok {
		return fmt.Errorf("an authority's key of type %s: want ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521 or ssh-rsa", public.Type())
	}
	if public.Type() != ssh.KeyAlgoRSA {
		return nil
	}
	wrapped, ok := public.(ssh.CryptoPublicKey)
	if ok {
		if key, isRSA := wrapped.CryptoPublicKey().(*rsa.PublicKey); isRSA {
			if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
				return fmt.Errorf("an authority's RSA key of %d bits: want from %d to %d", bits, minRSA, maxRSA)
			}
			return nil
		}
	}
	return fmt.Errorf("an authority's key of type %s cannot be read", public.Type())
}

// authorityID is SHA-256 of a key's wire form (RFC 4253, section 6.6).
type authorityID [sha256.Size]byte

func authorityOf(public ssh.PublicKey) authorityID { return sha256.Sum256(public.Marshal()) }

// authorityOfEd25519 is that of an Ed25519 key.
func authorityOfEd25519(key ed25519.PublicKey) authorityID {
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		return authorityID{} // only for a key of a wrong length
	}
	return authorityOf(public)
}

// authority is the id of the grant's key.
func (g *Grant) authority() authorityID {
	if g.Authority != nil {
		return sha256.Sum256(g.Authority)
	}
	return authorityOfEd25519(g.Key)
}

// SetKey sets the grant's key from a line "ssh-ed25519 AAAA… comment" without options.
// An authority's, where CertAuthority is set, may be of other types, see Authority.
func (g *Grant) SetKey(line string) error {
	public, comment, err := parsePublicKey(line)
	if err != nil {
		return err
	}
	g.Comment = comment
	return g.setKey(public)
}

func (g *Grant) setKey(public ssh.PublicKey) (err error) {
	if g.CertAuthority && public.Type() != ssh.KeyAlgoED25519 {
		g.Authority = public.Marshal()
		return checkAuthority(public)
	}
	g.Key, err = ed25519Of(public)
	return err
}

// signed verifies the authority's signature, which covers all that comes before it.
// reason is empty where it is good.
func signed(certificate *ssh.Certificate) (reason string) {
	if certificate.Signature == nil || !slices.Contains(authoritySignatures[certificate.SignatureKey.Type()], certificate.Signature.Format) {
		return "signature-algorithm"
	}
	unsigned := *certificate
	unsigned.Signature = nil
	covered := unsigned.Marshal()
	if certificate.SignatureKey.Verify(covered[:len(covered)-4], certificate.Signature) != nil {
		return "bad-signature"
	}
	return ""
}
