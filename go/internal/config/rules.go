package config

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// interfaces are what this version speaks on a listener.
var interfaces = map[string]bool{"frames": true}

func (v *validation) listeners() {
	if len(v.config.Listeners) == 0 {
		v.fail("listeners", "a node needs a listener: name one, or leave listeners out for %s", DefaultListen)
	}
	seen := map[string]string{}
	for i, l := range v.config.Listeners {
		key := fmt.Sprintf("listeners[%d]", i)
		if first, twice := seen[l.Address]; twice && l.Address != "" && !strings.HasSuffix(l.Address, ":0") {
			v.fail(key+".address", "%s is the address of %s already", l.Address, first)
		}
		seen[l.Address] = key
		for n, name := range l.Interfaces {
			if known := name == "ssh" || name == "http" || name == "dns"; known && !interfaces[name] {
				v.fail(fmt.Sprintf("%s.interfaces[%d]", key, n), "this version does not speak %s: remove it, or leave interfaces out for all that it does speak", name)
			}
		}
		if l.Stealth {
			v.fail(key+".stealth", "this version has no web server to look like: strangers would see that the listener is not one")
		}
	}
}

func (v *validation) tls() {
	t := v.config.TLS
	switch {
	case len(t.ACMEDomains) > 0:
		v.fail("tls.acme_domains", "this version gets no certificates by itself: name tls.certificate and tls.key")
	case t.Certificate != "" && t.Key == "":
		v.fail("tls.certificate", "tls.key, the certificate's private key, is missing")
	case t.Key != "" && t.Certificate == "":
		v.fail("tls.key", "tls.certificate, which the key belongs to, is missing")
	}
}

func (v *validation) auth() {
	a := v.config.Auth
	v.scopes("auth.default_scopes", a.DefaultScopes)
	for i, k := range a.Keys {
		key := fmt.Sprintf("auth.keys[%d]", i)
		v.scopes(key+".scopes", k.Scopes)
		v.resources(key+".resources", k.Resources)
		for n, pattern := range k.From {
			address := strings.TrimPrefix(pattern, "!")
			if _, err := netip.ParsePrefix(address); err == nil {
				continue
			}
			if _, err := netip.ParseAddr(address); err != nil && pattern != "" {
				v.fail(fmt.Sprintf("%s.from[%d]", key, n), "%q: want an address or a network such as 192.0.2.0/24", pattern)
			}
		}
		if len(k.Principals) > 0 && !k.CertAuthority {
			v.fail(key+".principals", "principals are those of certificates: set cert_authority = true, or remove them")
		}
	}
	v.apiKeys("auth.api_keys", a.APIKeys)
}

var (
	apiKeyPrefix = regexp.MustCompile(`^alk_[A-Za-z0-9_-]{8}$`)
	scopePattern = regexp.MustCompile(`^[^\s,"]+$`)
)

func (v *validation) apiKeys(prefix string, keys []APIKey) {
	seen := map[string]string{}
	for i, k := range keys {
		key := fmt.Sprintf("%s[%d]", prefix, i)
		if k.Prefix != "" && !apiKeyPrefix.MatchString(k.Prefix) {
			v.fail(key+".prefix", "want the first 12 characters of an API key, alk_ and eight more")
		}
		if first, twice := seen[k.Prefix]; twice && k.Prefix != "" {
			v.fail(key+".prefix", "%s is the prefix of %s already", k.Prefix, first)
		}
		seen[k.Prefix] = key
		if sum, err := hex.DecodeString(k.SHA256); k.SHA256 != "" && (err != nil || len(sum) != 32) {
			v.fail(key+".sha256", "want 64 hexadecimal digits")
		}
		v.scopes(key+".scopes", k.Scopes)
		v.resources(key+".resources", k.Resources)
	}
}

func (v *validation) scopes(key string, scopes []string) {
	for i, scope := range scopes {
		if scope != "" && !scopePattern.MatchString(scope) {
			v.fail(fmt.Sprintf("%s[%d]", key, i), "scope %q: want a name without spaces, commas and quotes", scope)
		}
	}
}

func (v *validation) resources(key string, resources map[string][]string) {
	for kind, ids := range resources {
		if kind == "" {
			v.fail(key, "a type of resources has an empty name")
		}
		for i, id := range ids {
			if id == "" {
				v.fail(fmt.Sprintf("%s.%s[%d]", key, kind, i), "an empty string names no resource")
			}
		}
	}
}

var pathPattern = regexp.MustCompile(`^(/([A-Za-z0-9][A-Za-z0-9_.-]*|\*\*?))+$`)

func (v *validation) access() {
	for i, rule := range v.config.Access {
		key := fmt.Sprintf("access[%d]", i)
		if rule.Path != "" && !pathPattern.MatchString(rule.Path) {
			v.fail(key+".path", `%q: want the path of operations, such as "/fs/*" or "/*/bash/*", in which * stands for one part and ** for any number`, rule.Path)
		}
		v.scopes(key+".scopes", rule.Scopes)
	}
}

func (v *validation) forwarding() {
	for i, rule := range v.config.Forwarding.Rules {
		if err := checkTarget(rule.Target); err != nil && rule.Target != "" {
			v.fail(fmt.Sprintf("forwarding.rules[%d].target", i), "%q: %w", rule.Target, err)
		}
	}
}

var hostPattern = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)

// checkTarget reads host, host:port or host:first-last.
func checkTarget(target string) error {
	host, ports := target, ""
	switch cut := strings.LastIndexByte(target, ':'); {
	case strings.HasPrefix(target, "["):
		inside, rest, ok := strings.Cut(target[1:], "]")
		if !ok || rest != "" && rest[0] != ':' {
			return fmt.Errorf("want an IPv6 address in brackets, as in [2001:db8::1]:443")
		}
		host, ports = inside, strings.TrimPrefix(rest, ":")
		if rest == ":" {
			return fmt.Errorf("the port is missing")
		}
	case cut >= 0 && strings.Count(target, ":") == 1:
		host, ports = target[:cut], target[cut+1:]
		if ports == "" {
			return fmt.Errorf("the port is missing")
		}
	}
	if ports != "" {
		first, last, isRange := strings.Cut(ports, "-")
		low, err := strconv.ParseUint(first, 10, 16)
		high := low
		if err == nil && isRange {
			high, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil || low == 0 || high < low {
			return fmt.Errorf("port %q: want a number from 1 to 65535, or first-last", ports)
		}
	}
	_, addressErr := netip.ParseAddr(host)
	_, networkErr := netip.ParsePrefix(host)
	if addressErr == nil || networkErr == nil || host == "*" || host == "alknet-*" || hostPattern.MatchString(host) {
		return nil
	}
	return fmt.Errorf("want a host, *.suffix, an IP address or a network, with or without a port")
}

func (v *validation) limits() {
	l := v.config.Limits
	if l.DeadAfter <= l.PingInterval {
		v.fail("limits.dead_after", "%v is not longer than limits.ping_interval, %v: a live peer would be taken for dead", l.DeadAfter, l.PingInterval)
	}
}

func (v *validation) traces() {
	endpoint := v.config.Traces.Endpoint
	if endpoint == "" {
		return
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		v.fail("traces.endpoint", "want a URL such as http://127.0.0.1:4318/v1/traces")
	}
}

// secretOperations are what a store offers to callers.
var secretOperations = []string{"publicKey", "sign", "encrypt", "decrypt", "derive"}

// secrets quotes no value: a phrase may have been given where it does not belong.
func (v *validation) secrets() {
	s := v.config.Secrets
	derive := false
	for i, name := range s.Offer {
		derive = derive || name == "derive"
		if !slices.Contains(secretOperations, name) {
			v.fail(fmt.Sprintf("secrets.offer[%d]", i), "want one of %s", list(secretOperations))
		}
	}
	switch {
	case s.Identity && s.Service != "":
		v.fail("secrets.service", "choose one of secrets.service and secrets.identity")
	case s.Identity && v.config.Node.Key != "":
		v.fail("secrets.identity", "choose one of node.key and secrets.identity")
	case s.Service != "" && derive:
		v.fail("secrets.offer", "a secret service gives out no private keys: leave derive out")
	case derive != s.OfferDerive:
		at := map[bool]string{true: "secrets.offer", false: "secrets.offer_derive"}[derive] // the one that is there
		v.fail(at, "derive gives out private keys, so it takes two switches: derive in secrets.offer (--offer-secrets), and secrets.offer_derive (--offer-secret-derive)")
	}
	for _, k := range []struct {
		key       string
		given     bool
		ofService bool // it goes with a service too
	}{
		{"phrase_file", s.PhraseFile != "", false}, {"passphrase_file", s.PassphraseFile != "", false}, {"require_locked_memory", s.RequireLockedMemory, false},
		{"offer", len(s.Offer) > 0, true}, {"paths", len(s.Paths) > 0, true}, {"credentials", s.Credentials != "", true},
	} {
		switch {
		case !k.given || s.Identity || k.ofService && s.Service != "":
		case k.ofService:
			v.fail("secrets."+k.key, "this goes with secrets.identity (--identity-from-secret) or secrets.service (--secret-service)")
		default:
			v.fail("secrets."+k.key, "this goes with secrets.identity (--identity-from-secret)")
		}
	}
}

// Warnings tells what is right but does not do all that it seems to say.
func (c *Config) Warnings() Errors {
	var all Errors
	if len(c.Forwarding.Rules) > 0 || c.Forwarding.Default != "" {
		all = append(all, c.Errorf("forwarding", "this version opens no tunnels: the policy is checked, and has no effect"))
	}
	if c.Auth.AllowAnonymous && len(c.Auth.DefaultScopes) > 0 {
		all = append(all, c.Errorf("auth.allow_anonymous", "anonymous callers do not get the default scopes"))
	}
	return all
}
