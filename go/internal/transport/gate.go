package transport

import (
	"net"
)

// Gate decides about connections before anything is spent on them. Its methods must
// not block.
type Gate interface {
	// Admit lets a connection in or rejects it. close closes it, at most once, if it has to
	// give way to another one before its peer has signed in.
	Admit(remote net.Addr, close func()) (Pass, bool)
	// Suspicious reports whether a QUIC client must first show that it receives what is
	// sent to its address (RFC 9000, section 8.1.2), because many come from there.
	Suspicious(remote net.Addr) bool
	// Unproven is called for a client that has shown a key and not proven to hold it.
	Unproven(remote net.Addr)
}

// Pass is one connection that a Gate has let in. Both methods may be called again.
type Pass interface {
	// SignedIn says that the peer has signed in: the connection gives way no more.
	SignedIn()
	// Release says that the connection has ended.
	Release()
}

// MaxStrangers may be connected at once to one gate without having signed in: unfinished
// ones cost a goroutine and a few KiB each.
const MaxStrangers = 512

// openGate lets everybody in, and bounds strangers.
type openGate struct{ strangers Strangers }

type openPass struct {
	gate     *openGate
	stranger *Stranger
}

func (g *openGate) Admit(remote net.Addr, close func()) (Pass, bool) {
	pass := openPass{g, g.strangers.Add(remote, close)}
	for g.strangers.Len() > MaxStrangers {
		g.strangers.Evict()
	}
	return pass, true
}

func (*openGate) Suspicious(net.Addr) bool { return false }
func (*openGate) Unproven(net.Addr)        {}

func (p openPass) SignedIn() { p.gate.strangers.Remove(p.stranger) }
func (p openPass) Release()  { p.gate.strangers.Remove(p.stranger) }
