// Package admission bounds what strangers may cost a node that listens: connections,
// refused credentials and sessions, for each address and identity.
package admission

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/transport"
)

// Limits bound what strangers may cost. A field that is 0 is no limit.
// An IPv6 address counts as its /64 network, which is what one customer gets.
// Connections over Unix sockets are not counted.
type Limits struct {
	Connections           int // of all addresses together
	ConnectionsPerAddress int
	SessionsPerIdentity   int
	FailuresPerConnection int // refused credentials, before further tokens are refused unseen
	FailuresPerAddress    int // refused credentials in a minute, before the address is blocked for the rest of it
}

// FailureWindow is what FailuresPerAddress counts in.
const FailureWindow = time.Minute

// maxSources bounds the addresses that are remembered without a connection of
// theirs; the one that was seen least lately is forgotten first. One costs about
// 200 bytes.
const maxSources = 1 << 16

// source is what is known of one address.
type source struct {
	key         netip.Addr
	connections int
	failures    int       // in the window
	window      time.Time // when the window began
	noted       time.Time // when it was last logged that it was rejected
	idle        *list.Element
}

// Gate counts connections, failures and sessions. It is safe for concurrent use.
type Gate struct {
	mu         sync.Mutex
	now        func() time.Time
	total      int
	sources    map[netip.Addr]*source
	idle       list.List // of sources without connections, the latest first
	identities map[string]int
	strangers  transport.Strangers // those that have not signed in: they make room for others
}

// pass is one connection that the gate has let in.
type pass struct {
	gate     *Gate
	source   *source // nil where the address is not counted, and once released
	stranger *transport.Stranger
}

// SignedIn implements transport.Pass.
func (p *pass) SignedIn() { p.gate.strangers.Remove(p.stranger) }

// Release implements transport.Pass.
func (p *pass) Release() {
	p.gate.strangers.Remove(p.stranger)
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if p.source != nil {
		p.gate.leave(p.source)
		p.source = nil
	}
}

// NewGate returns a gate that has counted nothing.
func NewGate() *Gate {
	return &Gate{now: time.Now, sources: map[netip.Addr]*source{}, identities: map[string]int{}}
}

// sourceOf gives what an address counts as; false is one that is not counted.
func sourceOf(remote net.Addr) (netip.Addr, bool) {
	var addr netip.Addr
	switch a := remote.(type) {
	case *net.TCPAddr:
		addr = a.AddrPort().Addr()
	case *net.UDPAddr:
		addr = a.AddrPort().Addr()
	default:
		return addr, false
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, err := addr.Prefix(64)
		if err != nil {
			return addr, false
		}
		addr = network.Addr()
	}
	return addr, addr.IsValid()
}

// at returns what is known of an address, and makes it known.
func (g *Gate) at(key netip.Addr) *source {
	s := g.sources[key]
	if s == nil {
		for len(g.sources) >= maxSources && g.idle.Len() > 0 {
			g.forget(g.idle.Back().Value.(*source))
		}
		s = &source{key: key}
		g.sources[key] = s
		s.idle = g.idle.PushFront(s)
	}
	if g.now().Sub(s.window) >= FailureWindow {
		s.failures, s.window = 0, time.Time{}
	}
	return s
}

func (g *Gate) forget(s *source) {
	g.idle.Remove(s.idle)
	delete(g.sources, s.key)
}

// sweep forgets a few idle sources whose window is over, so that what an attack has
// left goes away by itself.
func (g *Gate) sweep() {
	for range 2 {
		oldest := g.idle.Back()
		if oldest == nil || g.now().Sub(oldest.Value.(*source).window) < FailureWindow {
			return
		}
		g.forget(oldest.Value.(*source))
	}
}

// The reasons why a connection is rejected.
const (
	TooManyConnections = "too-many-connections"
	TooManyOfAddress   = "too-many-connections-of-address"
	TooManyFailures    = "too-many-failures"
)

// Admit lets a connection in, or says why not, and whether that should be logged:
// once per address and minute, because a flood must not fill the disk. Where there are
// too many connections, or too many strangers, a stranger makes room. close closes the
// connection if it has to do so itself one day.
func (g *Gate) Admit(limits *Limits, remote net.Addr, close func()) (_ transport.Pass, reason string, note bool) {
	p := &pass{gate: g}
	p.stranger = g.strangers.Add(remote, func() {
		p.Release() // its place is free now, not when it has closed
		close()
	})
	for g.strangers.Len() > transport.MaxStrangers {
		g.strangers.Evict()
	}
	for {
		if reason, note = g.count(limits, remote, p); reason != TooManyConnections {
			break
		}
		if evicted := g.strangers.Evict(); evicted == nil || evicted == p.stranger {
			break
		}
	}
	if reason != "" {
		g.strangers.Remove(p.stranger)
		return nil, reason, note
	}
	return p, "", false
}

// count counts a connection of remote, or says why it may not come.
func (g *Gate) count(limits *Limits, remote net.Addr, p *pass) (reason string, note bool) {
	key, counted := sourceOf(remote)
	if !counted {
		return "", false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	s := g.at(key)
	switch {
	case limits.FailuresPerAddress > 0 && s.failures >= limits.FailuresPerAddress:
		reason = TooManyFailures
	case limits.ConnectionsPerAddress > 0 && s.connections >= limits.ConnectionsPerAddress:
		reason = TooManyOfAddress
	case limits.Connections > 0 && g.total >= limits.Connections:
		reason = TooManyConnections
	}
	if reason != "" {
		now := g.now()
		if note = now.Sub(s.noted) >= FailureWindow; note {
			s.noted = now
		}
		return reason, note
	}
	if s.idle != nil {
		g.idle.Remove(s.idle)
		s.idle = nil
	}
	s.connections++
	g.total++
	p.source = s
	return "", false
}

func (g *Gate) leave(s *source) {
	g.total--
	if s.connections--; s.connections > 0 {
		return
	}
	if s.window.IsZero() && s.noted.IsZero() {
		delete(g.sources, s.key) // nothing to remember
		return
	}
	s.idle = g.idle.PushFront(s)
	for len(g.sources) > maxSources && g.idle.Len() > 0 {
		g.forget(g.idle.Back().Value.(*source))
	}
}

// Failed counts a refused credential, and reports whether it was the one that shuts
// its address out.
func (g *Gate) Failed(limits *Limits, remote net.Addr) (out bool) {
	key, counted := sourceOf(remote)
	if !counted || limits.FailuresPerAddress <= 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.at(key)
	if s.window.IsZero() {
		s.window = g.now()
	}
	s.failures++
	if s.idle != nil {
		g.idle.MoveToFront(s.idle)
	}
	return s.failures == limits.FailuresPerAddress
}

// Suspicious reports whether an address takes up so much that a sender of forged
// packets could keep an honest client of that address out.
func (g *Gate) Suspicious(limits *Limits, remote net.Addr) bool {
	key, counted := sourceOf(remote)
	if !counted {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if limits.Connections > 0 && g.total >= limits.Connections/2 {
		return true
	}
	s := g.sources[key]
	return s != nil && (s.failures > 0 || limits.ConnectionsPerAddress > 0 && s.connections >= max(1, limits.ConnectionsPerAddress/4))
}

// Enter counts a session of an identity, and reports whether there is room for it.
func (g *Gate) Enter(limits *Limits, id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limits.SessionsPerIdentity > 0 && g.identities[id] >= limits.SessionsPerIdentity {
		return false
	}
	g.identities[id]++
	return true
}

func (g *Gate) Exit(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.identities[id]--; g.identities[id] <= 0 {
		delete(g.identities, id)
	}
}

// Connections returns how many are counted now.
func (g *Gate) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}
