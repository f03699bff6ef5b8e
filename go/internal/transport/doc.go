// Package transport moves bytes between two nodes that know each other's keys:
// QUIC and TLS 1.3 with mutual Ed25519 certificates, plain TCP, and Unix sockets,
// behind one Conn.
//
// ParseAddress reads an address, Dial connects to it, Listen binds one and Accept
// gives the connections. Over QUIC and TLS both sides present a self-signed
// certificate that holds their principal key; TLS proves possession, and the key
// is what is checked, not the name or the dates. TCP and Unix sockets prove
// nothing: who speaks there is settled by the layer above, with a token.
//
// The package never prints and holds no global state.
package transport
