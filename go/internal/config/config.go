package config

import (
	"net"
	"net/netip"
	"strings"
	"time"
)

// Config is the whole configuration of a node. Default gives one that works, and
// Load one that was put together from several sources. It is not changed after
// that, and then safe for concurrent use.
type Config struct {
	Node       Node       `toml:"node" json:"node"`
	Listeners  []Listener `toml:"listeners" json:"listeners" restart:"yes"`
	TLS        TLS        `toml:"tls" json:"tls"`
	Auth       Auth       `toml:"auth" json:"auth"`
	Access     []Access   `toml:"access" json:"access"`
	Forwarding Forwarding `toml:"forwarding" json:"forwarding"`
	Limits     Limits     `toml:"limits" json:"limits"`
	Log        Log        `toml:"log" json:"log"`
	Audit      Audit      `toml:"audit" json:"audit"`
	Secrets    Secrets    `toml:"secrets" json:"secrets" restart:"yes"`
	Traces     Traces     `toml:"traces" json:"traces"`

	origins map[string]Origin // by key, of what was set
}

// Node says who the node is.
type Node struct {
	// Name is what /node/info tells of the node.
	Name string `toml:"name" json:"name" restart:"yes"`
	// Key is the file of the node's private key, in OpenSSH's format. Without it the
	// key is node_key in the state folder, which is made when it is missing.
	Key string `toml:"key" json:"key" restart:"yes" path:"yes"`
	// Drain is how long a shutdown lets calls finish; the rest fail with UNAVAILABLE.
	Drain Duration `toml:"drain" json:"drain" min:"0" max:"1h"`
}

// Listener is one address that the node listens on.
type Listener struct {
	// Address is where to listen: host:port, for QUIC and TLS on one port, ":4433" for
	// every address of the machine; quic://, tls://, tcp:// and unix:///path force one
	// transport.
	Address string `toml:"address" json:"address" required:"yes"`
	// Interfaces narrows what is spoken on the listener. Without it, all that this
	// version speaks.
	Interfaces []string `toml:"interfaces" json:"interfaces,omitempty" enum:"frames,ssh,http,dns"`
	// Stealth makes the listener look like an ordinary web server to strangers.
	Stealth bool `toml:"stealth" json:"stealth,omitempty"`
}

// TLS is a certificate for clients that go by a CA. Clients that pin the node's key
// are shown the key, with or without it.
type TLS struct {
	// Certificate is the file of the certificate and its chain, in PEM format.
	Certificate string `toml:"certificate" json:"certificate,omitempty" restart:"yes" path:"yes"`
	// Key is the file of the certificate's private key, in PEM format.
	Key string `toml:"key" json:"key,omitempty" restart:"yes" path:"yes"`
	// ACMEDomains are the names to get a certificate for from an ACME authority
	// (RFC 8555).
	ACMEDomains []string `toml:"acme_domains" json:"acmeDomains,omitempty" restart:"yes"`
}

// Auth says who may connect, and what they may do.
type Auth struct {
	// AuthorizedKeys is the file of authorized keys, in OpenSSH's format. Without it
	// the file is authorized_keys in the state folder, if there is one.
	AuthorizedKeys string `toml:"authorized_keys" json:"authorizedKeys,omitempty" path:"yes"`
	// RevokedKeys is a file of public keys, a line each, that are refused whatever
	// else says: users' keys, certified keys and keys of authorities.
	RevokedKeys string `toml:"revoked_keys" json:"revokedKeys,omitempty" path:"yes"`
	// APIKeyFile is the file that `alknet apikey` keeps. Without it the file is
	// api_keys in the state folder, if there is one.
	APIKeyFile string `toml:"api_key_file" json:"apiKeyFile,omitempty" path:"yes"`
	// DefaultScopes are the scopes of keys that have none of their own.
	DefaultScopes []string `toml:"default_scopes" json:"defaultScopes"`
	// AllowAnonymous lets callers without a known credential reach operations without
	// requirements.
	AllowAnonymous bool `toml:"allow_anonymous" json:"allowAnonymous"`
	// ReplayWindow remembers each token until it expires and takes it only once.
	ReplayWindow bool `toml:"replay_window" json:"replayWindow"`
	// Keys are authorized keys beside those of the file.
	Keys []Key `toml:"keys" json:"keys,omitempty"`
	// APIKeys are API keys beside those of the file.
	APIKeys []APIKey `toml:"api_keys" json:"apiKeys,omitempty"`
}

// Key is an authorized key, or an authority whose certificates are accepted.
type Key struct {
	// PublicKey is a line "ssh-ed25519 AAAA… name"; an authority's key may also be ECDSA,
	// or RSA of 2048 to 8192 bits.
	PublicKey string `toml:"public_key" json:"publicKey" required:"yes"`
	// Scopes are what the key may do; without it, the default scopes.
	Scopes []string `toml:"scopes" json:"scopes,omitempty"`
	// Resources lists, by type, the ids of the resources that the key may name.
	Resources map[string][]string `toml:"resources" json:"resources,omitempty"`
	// From are the addresses and networks that the key may come from; those with a
	// "!" before them it may not.
	From []string `toml:"from" json:"from,omitempty"`
	// Expires is when the key is refused from.
	Expires time.Time `toml:"expires,omitempty" json:"expires,omitzero"`
	// CertAuthority says that the key is an authority: OpenSSH user certificates that
	// it has signed are accepted, and the key itself is not.
	CertAuthority bool `toml:"cert_authority" json:"certAuthority,omitempty"`
	// Principals are the principals of which a certificate must name one; without it,
	// any will do. It goes with cert_authority.
	Principals []string `toml:"principals" json:"principals,omitempty"`
}

// APIKey is what a node keeps of an API key.
type APIKey struct {
	// Prefix is the first 12 characters of the key: the public name of its holder.
	Prefix string `toml:"prefix" json:"prefix" required:"yes"`
	// SHA256 is the hash of the whole key, in hexadecimal.
	SHA256 string `toml:"sha256" json:"sha256" required:"yes" secret:"yes"`
	// Description says what the key is for.
	Description string `toml:"description,omitempty" json:"description,omitempty"`
	// Scopes are what the key may do; without it, nothing that needs a scope.
	Scopes []string `toml:"scopes" json:"scopes,omitempty"`
	// Resources lists, by type, the ids of the resources that the key may name.
	Resources map[string][]string `toml:"resources,omitempty" json:"resources,omitempty"`
	// Created is when the key was made.
	Created time.Time `toml:"created,omitempty" json:"created,omitzero"`
	// Expires is when the key is refused from.
	Expires time.Time `toml:"expires,omitempty" json:"expires,omitzero"`
}

// Access is a rule about the paths of operations: callers of a path that matches
// need its scopes beside those that the operation asks for.
type Access struct {
	// Path is the path as it is called on this node, such as "/*/bash/*"; * stands for
	// one segment, ** for any number of them: "/**/bash/*" also catches the nodes
	// behind other heads.
	Path string `toml:"path" json:"path" required:"yes"`
	// Scopes are what callers need, all of them.
	Scopes []string `toml:"scopes" json:"scopes" required:"yes"`
}

// Forwarding is the policy of tunnels: the first rule that matches decides, then the
// default. This version opens no tunnels; the policy is checked and has no effect.
type Forwarding struct {
	// Default decides where no rule matches: without it, "allow" when every listener
	// is on loopback, and "deny" otherwise.
	Default string `toml:"default" json:"default,omitempty" enum:"allow,deny"`
	// Rules are tried in order.
	Rules []ForwardingRule `toml:"rules" json:"rules,omitempty"`
}

// ForwardingRule allows or denies tunnels to a target.
type ForwardingRule struct {
	// Target is a host, "*.suffix", an IP address, a network or "alknet-*", with or
	// without ":port" or ":first-last".
	Target string `toml:"target" json:"target" required:"yes"`
	// Action is what the rule decides.
	Action string `toml:"action" json:"action" required:"yes" enum:"allow,deny"`
	// Principals are the identities or scopes that the rule is about; without it, all.
	Principals []string `toml:"principals" json:"principals,omitempty"`
	// Transports are the transports that the rule is about; without it, all.
	Transports []string `toml:"transports" json:"transports,omitempty" enum:"quic,tls,tcp,unix"`
}

// Limits bound what strangers and sessions may cost. An IPv6 address counts as its
// /64 network; connections over Unix sockets are not counted.
type Limits struct {
	// Connections bounds the connections of all addresses together; 0 is no limit.
	Connections int `toml:"connections" json:"connections" min:"0" max:"1000000"`
	// ConnectionsPerAddress bounds the connections of one address; 0 is no limit, and the
	// default where every listener is on loopback, which strangers do not reach.
	ConnectionsPerAddress int `toml:"connections_per_address" json:"connectionsPerAddress" min:"0" max:"1000000"`
	// SessionsPerIdentity bounds the sessions of one identity; 0 is no limit.
	SessionsPerIdentity int `toml:"sessions_per_identity" json:"sessionsPerIdentity" min:"0" max:"1000000"`
	// FailuresPerConnection is how many credentials may be refused on one connection
	// before its tokens are refused unseen for a minute; 0 is no limit.
	FailuresPerConnection int `toml:"failures_per_connection" json:"failuresPerConnection" min:"0" max:"1000000"`
	// FailuresPerAddress is how many credentials of one address may be refused in a
	// minute before it is kept out for the rest of that minute; 0 is no limit, and the
	// default where every listener is on loopback.
	FailuresPerAddress int `toml:"failures_per_address" json:"failuresPerAddress" min:"0" max:"1000000"`
	// MaxFrame is the largest frame taken, in bytes.
	MaxFrame int `toml:"max_frame" json:"maxFrame" min:"1024" max:"67108864"`
	// MaxInFlight is how many requests of one session may be unanswered at once.
	MaxInFlight int `toml:"max_in_flight" json:"maxInFlight" min:"1" max:"1000000"`
	// MaxQueued is how many bytes of one session may wait to be sent.
	MaxQueued int `toml:"max_queued" json:"maxQueued" min:"65536" max:"2147483647"`
	// MaxWaiting is how many requests of this node may wait on one session until the other
	// side has room for them; 0 refuses them at once.
	MaxWaiting int `toml:"max_waiting" json:"maxWaiting" min:"0" max:"10000000"`
	// OpenTimeout is how long a client may take to open its session.
	OpenTimeout Duration `toml:"open_timeout" json:"openTimeout" min:"10ms" max:"10m"`
	// PingInterval is how often a silent byte stream is probed.
	PingInterval Duration `toml:"ping_interval" json:"pingInterval" min:"10ms" max:"24h"`
	// DeadAfter is how long a byte stream may be silent.
	DeadAfter Duration `toml:"dead_after" json:"deadAfter" min:"20ms" max:"72h"`
}

// Log is what the node writes to standard error.
type Log struct {
	// Level is the least severe level that is written.
	Level string `toml:"level" json:"level" enum:"debug,info,warn,error"`
	// Format is text or JSON, a line each.
	Format string `toml:"format" json:"format" restart:"yes" enum:"text,json"`
}

// Audit is the record of who did what.
type Audit struct {
	// File gets one JSON object a line, and only grows; it is opened again on every
	// reload, so that it can be rotated. Events of a second that are equal but for their
	// times are one line with their count. Without it nothing is recorded.
	File string `toml:"file" json:"file,omitempty" path:"yes"`
}

// Traces sends spans of calls to an OpenTelemetry collector.
type Traces struct {
	// Endpoint is the collector's URL for OTLP over HTTP, such as
	// "http://127.0.0.1:4318/v1/traces". Without it nothing is traced.
	Endpoint string `toml:"endpoint" json:"endpoint,omitempty" restart:"yes"`
	// Headers are sent along, for a collector that wants a key.
	Headers map[string]string `toml:"headers" json:"headers,omitempty" restart:"yes" secret:"yes"`
	// Ratio is the part of the calls that are traced when their caller says nothing
	// about it, from 0 to 1.
	Ratio float64 `toml:"ratio" json:"ratio" restart:"yes" min:"0" max:"1"`
}

// DefaultListen is where a node listens unless told otherwise: loopback only.
const DefaultListen = "127.0.0.1:4433"

// Default returns the configuration of a node that is told nothing.
func Default() *Config {
	return &Config{
		Node:      Node{Name: "head", Drain: Duration(5 * time.Second)},
		Listeners: []Listener{{Address: DefaultListen}},
		Auth:      Auth{DefaultScopes: []string{}},
		Limits: Limits{
			Connections: 10_000, ConnectionsPerAddress: 64, SessionsPerIdentity: 256,
			FailuresPerConnection: 5, FailuresPerAddress: 30,
			MaxFrame: 16 << 20, MaxInFlight: 1024, MaxQueued: 64 << 20, MaxWaiting: 1 << 17,
			OpenTimeout: Duration(5 * time.Second), PingInterval: Duration(20 * time.Second), DeadAfter: Duration(60 * time.Second),
		},
		Log:     Log{Level: "info", Format: "text"},
		Traces:  Traces{Ratio: 1},
		origins: map[string]Origin{},
	}
}

// settle fills in the defaults that depend on other values.
func (c *Config) settle() {
	for _, l := range c.Listeners {
		if !local(l.Address) {
			return
		}
	}
	for key, limit := range map[string]*int{
		"limits.connections_per_address": &c.Limits.ConnectionsPerAddress, "limits.failures_per_address": &c.Limits.FailuresPerAddress,
	} {
		if _, set := c.origins[key]; !set {
			*limit = 0
		}
	}
}

// local reports whether only this machine reaches a listener.
func local(address string) bool {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		rest = address
	} else if scheme == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(rest)
	if err != nil {
		host = strings.Trim(rest, "[]") // it names no port
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Secrets says where the binary's node has the keys of a phrase from, and what of
// them callers may use.
type Secrets struct {
	// Identity takes the node's key from a phrase in place of node.key. The store stays
	// unlocked until the node ends.
	Identity bool `toml:"identity" json:"identity"`
	// PhraseFile is the file of the phrase, which only its owner may read. Without it
	// the phrase is asked for on the terminal.
	PhraseFile string `toml:"phrase_file" json:"phraseFile,omitempty" path:"yes"`
	// PassphraseFile is the file of the phrase's passphrase, which only its owner may
	// read. Without it there is none.
	PassphraseFile string `toml:"passphrase_file" json:"passphraseFile,omitempty" path:"yes"`
	// RequireLockedMemory fails where the system refuses to lock memory against
	// swapping.
	RequireLockedMemory bool `toml:"require_locked_memory" json:"requireLockedMemory"`
	// Service is the address of another process that has the phrase, as `alknet service`
	// prints it.
	Service string `toml:"service" json:"service,omitempty"`
	// Offer lists what callers with the scope secrets:NAME may do with the keys:
	// publicKey, sign, encrypt, decrypt and derive.
	Offer []string `toml:"offer" json:"offer,omitempty"`
	// OfferDerive is the second switch of derive, which gives out private keys.
	OfferDerive bool `toml:"offer_derive" json:"offerDerive"`
	// Paths are the paths below which callers may use keys. Without it that is m/74'/3'.
	Paths []string `toml:"paths" json:"paths,omitempty"`
	// Credentials is the folder of the credentials that handlers sign in elsewhere with.
	// Without it that is credentials in the state folder.
	Credentials string `toml:"credentials" json:"credentials,omitempty" path:"yes"`
}
