package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Grant is one authorized key and what it may do.
type Grant struct {
	Key ed25519.PublicKey
	// Authority is the key of an authority of another type, in its wire form (RFC 4253,
	// section 6.6): ecdsa-sha2-nistp256, -384 or -521, or ssh-rsa with 2048 to 8192
	// bits. Key is nil then.
	Authority []byte
	Comment   string
	// Scopes; nil means the set's default scopes.
	Scopes []string
	// Resources by type.
	Resources map[string][]string
	// Expires ends the grant; zero means never.
	Expires time.Time
	// From restricts the addresses that the key may come from; empty means any.
	// NotFrom are exceptions to that.
	From, NotFrom []netip.Prefix
	// CertAuthority says that the key is an authority, whose user certificates are
	// accepted; the key itself is not.
	CertAuthority bool
	// Principals are those of which a certificate must name one; nil means any.
	Principals []string
	// NoForwarding forbids tunnels.
	NoForwarding bool
}

// ParseAuthorizedKeys reads an OpenSSH authorized_keys file of Ed25519 keys, and of
// authorities with keys of the types that Grant.Authority lists. These
// options mean what they mean in sshd(8): cert-authority, principals=, expiry-time=,
// from= (addresses and CIDR networks, with ! for exceptions), restrict,
// no-port-forwarding and port-forwarding; so do those about terminals, agents, X11
// and rc files, which have nothing to act on here. scopes="a,b" and
// resources="type=id,type=id" are this project's. Any other option, one that stands
// twice, or anything that cannot be read, fails with file and line; so does a key that
// an earlier line grants otherwise. The error is of type LineErrors, and the grants of
// the other lines come back beside it.
func ParseAuthorizedKeys(file string, data []byte) ([]Grant, error) {
	var grants []Grant
	var bad LineErrors
	first := map[[32]byte]int{} // the line that grants a key
	for n, line := range keyLines(file, data, &bad) {
		grant, err := parseGrant(line)
		if err == nil && !grant.CertAuthority {
			id := KeyID(grant.Key)
			if at, known := first[id]; known {
				err = fmt.Errorf("line %d grants this key already: a key has one line", at)
			} else {
				first[id] = n
			}
		}
		if err != nil {
			bad = append(bad, &LineError{file, n, err})
			continue
		}
		grants = append(grants, grant)
	}
	return grants, bad.err()
}

// ParseRevokedKeys reads a file of public keys, a line each, without options: Ed25519
// keys, and authorities' keys of other types, which it returns in their wire form. An
// error is of type LineErrors; the keys of the other lines come back beside it.
func ParseRevokedKeys(file string, data []byte) (keys []ed25519.PublicKey, authorities [][]byte, err error) {
	var bad LineErrors
	for n, line := range keyLines(file, data, &bad) {
		grant := Grant{CertAuthority: true}
		switch err := grant.SetKey(string(line)); {
		case err != nil:
			bad = append(bad, &LineError{file, n, err})
		case grant.Authority != nil:
			authorities = append(authorities, grant.Authority)
		default:
			keys = append(keys, grant.Key)
		}
	}
	return keys, authorities, bad.err()
}

func parseGrant(line []byte) (Grant, error) {
	public, comment, options, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return Grant{}, fmt.Errorf("this is not a line of authorized_keys: want `[options] ssh-ed25519 AAAA… name`")
	}
	grant := Grant{Comment: comment}
	seen := map[string]bool{}
	for _, option := range options {
		name, value, valued := strings.Cut(option, "=")
		name = strings.ToLower(name)
		switch {
		case seen[name]:
			return Grant{}, fmt.Errorf("option %s stands twice: only one of them would hold", name)
		case valued && !valuedOptions[name] || !valued && valuedOptions[name]:
			if err := grant.apply(name, ""); err != nil {
				return Grant{}, err // it is not known, or says itself what it wants
			}
			return Grant{}, fmt.Errorf("option %s: want %s", name, map[bool]string{true: "it without a value", false: `a value, as in ` + name + `="…"`}[valued])
		}
		seen[name] = true
		if err := grant.apply(name, unquote(value)); err != nil {
			return Grant{}, err
		}
	}
	if err := grant.setKey(public); err != nil {
		return Grant{}, err
	}
	if grant.Principals != nil && !grant.CertAuthority {
		return Grant{}, errors.New("option principals goes with cert-authority: a plain key has none")
	}
	return grant, nil
}

// valuedOptions are the options that have a value.
var valuedOptions = map[string]bool{"scopes": true, "resources": true, "expiry-time": true, "from": true, "principals": true}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
	}
	return s
}

func (g *Grant) apply(name, value string) error {
	switch name {
	case "scopes":
		g.Scopes = split(value)
	case "resources":
		g.Resources = map[string][]string{}
		for _, pair := range split(value) {
			kind, id, ok := strings.Cut(pair, "=")
			if !ok || kind == "" || id == "" {
				return fmt.Errorf("option resources: %q: want type=id", pair)
			}
			g.Resources[kind] = append(g.Resources[kind], id)
		}
	case "expiry-time":
		expires, err := parseExpiry(value)
		if err != nil {
			return err
		}
		g.Expires = expires
	case "from":
		return g.RestrictFrom(split(value))
	case "cert-authority":
		g.CertAuthority = true
	case "principals":
		if g.Principals = split(value); len(g.Principals) == 0 {
			return errors.New("option principals is empty: want names")
		}
	case "restrict", "no-port-forwarding":
		g.NoForwarding = true
	case "port-forwarding":
		g.NoForwarding = false
	case "no-pty", "no-agent-forwarding", "no-x11-forwarding", "no-user-rc", "pty", "agent-forwarding", "x11-forwarding", "user-rc":
		// There are no terminals, agents, displays and rc files to allow or forbid.
	default:
		return fmt.Errorf("option %q is not known: this line would grant more than it says", name)
	}
	return nil
}

// RestrictFrom sets From and NotFrom from patterns as the option from= has them.
func (g *Grant) RestrictFrom(patterns []string) error {
	g.From, g.NotFrom = nil, nil
	for _, pattern := range patterns {
		address, except := strings.CutPrefix(pattern, "!")
		prefix, err := parsePrefix(address)
		if err != nil {
			return err
		}
		if except {
			g.NotFrom = append(g.NotFrom, prefix)
		} else {
			g.From = append(g.From, prefix)
		}
	}
	if len(g.From) == 0 {
		return errors.New("option from names no address that the key may come from: want addresses or networks, and exceptions after them")
	}
	return nil
}

func split(list string) []string {
	parts := []string{}
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// parseExpiry reads sshd's YYYYMMDD[HHMM[SS]][Z], local time without the Z.
func parseExpiry(value string) (time.Time, error) {
	location := time.Local
	digits, utc := strings.CutSuffix(value, "Z")
	if utc {
		location = time.UTC
	}
	const layout = "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		if t, err := time.ParseInLocation(layout[:len(digits)], digits, location); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("option expiry-time: %q: want YYYYMMDD or YYYYMMDDHHMM[SS], with a Z for UTC", value)
}

// parsePrefix reads an address or a network. An IPv4 address that is mapped into IPv6 is
// that IPv4 address, as callers' addresses are compared; a zone is left out.
func parsePrefix(pattern string) (netip.Prefix, error) {
	bare, bits, isNetwork := strings.Cut(pattern, "/")
	addr, err := netip.ParseAddr(bare)
	prefix := netip.PrefixFrom(addr.WithZone(""), addr.BitLen())
	if err == nil && isNetwork {
		prefix, err = netip.ParsePrefix(prefix.Addr().String() + "/" + bits)
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("option from: %q: want an address or a network such as 192.0.2.0/24; names and wildcards are not taken", pattern)
	}
	if mapped := prefix.Addr(); mapped.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(mapped.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}
