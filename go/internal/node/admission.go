package node

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Admission bounds what strangers may cost a head. A field that is 0 is no limit.
// An IPv6 address counts as its /64 network, which is what one customer gets.
// Connections over Unix sockets are not counted.
type Admission struct {
	Connections           int // of all addresses together
	ConnectionsPerAddress int
	SessionsPerIdentity   int
	FailuresPerConnection int // refused credentials, before further tokens are refused unseen
	FailuresPerAddress    int // refused credentials in a minute, before the address is kept out for the rest of it
}

// failureWindow is what FailuresPerAddress counts in.
const failureWindow = time.Minute

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
	noted       time.Time // when it was last logged that it was turned away
	idle        *list.Element
}

// gate counts connections, failures and sessions. It is safe for concurrent use.
type gate struct {
	mu         sync.Mutex
	now        func() time.Time
	total      int
	sources    map[netip.Addr]*source
	idle       list.List // of sources without connections, the latest first
	identities map[string]int
}

func newGate() *gate {
	return &gate{now: time.Now, sources: map[netip.Addr]*source{}, identities: map[string]int{}}
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
func (g *gate) at(key netip.Addr) *source {
	s := g.sources[key]
	if s == nil {
		for len(g.sources) >= maxSources && g.idle.Len() > 0 {
			g.forget(g.idle.Back().Value.(*source))
		}
		s = &source{key: key}
		g.sources[key] = s
		s.idle = g.idle.PushFront(s)
	}
	if g.now().Sub(s.window) >= failureWindow {
		s.failures, s.window = 0, time.Time{}
	}
	return s
}

func (g *gate) forget(s *source) {
	g.idle.Remove(s.idle)
	delete(g.sources, s.key)
}

// sweep forgets a few idle sources whose window is over, so that what an attack has
// left goes away by itself.
func (g *gate) sweep() {
	for range 2 {
		oldest := g.idle.Back()
		if oldest == nil || g.now().Sub(oldest.Value.(*source).window) < failureWindow {
			return
		}
		g.forget(oldest.Value.(*source))
	}
}

// The reasons why a connection is turned away.
const (
	tooManyConnections = "too-many-connections"
	tooManyOfAddress   = "too-many-connections-of-address"
	tooManyFailures    = "too-many-failures"
)

// admit lets a connection in, or says why not, and whether that should be logged:
// once per address and minute, because a flood must not fill the disk.
func (g *gate) admit(limits *Admission, remote net.Addr) (release func(), reason string, note bool) {
	key, counted := sourceOf(remote)
	if !counted {
		return func() {}, "", false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	s := g.at(key)
	switch {
	case limits.FailuresPerAddress > 0 && s.failures >= limits.FailuresPerAddress:
		reason = tooManyFailures
	case limits.ConnectionsPerAddress > 0 && s.connections >= limits.ConnectionsPerAddress:
		reason = tooManyOfAddress
	case limits.Connections > 0 && g.total >= limits.Connections:
		reason = tooManyConnections
	}
	if reason != "" {
		now := g.now()
		if note = now.Sub(s.noted) >= failureWindow; note {
			s.noted = now
		}
		return nil, reason, note
	}
	if s.idle != nil {
		g.idle.Remove(s.idle)
		s.idle = nil
	}
	s.connections++
	g.total++
	return func() { g.leave(s) }, "", false
}

func (g *gate) leave(s *source) {
	g.mu.Lock()
	defer g.mu.Unlock()
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

// failed counts a refused credential, and reports whether it was the one that shuts
// its address out.
func (g *gate) failed(limits *Admission, remote net.Addr) (out bool) {
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

// suspicious reports whether an address takes up so much that a sender of forged
// packets could keep an honest client of that address out.
func (g *gate) suspicious(limits *Admission, remote net.Addr) bool {
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

// enter counts a session of an identity, and reports whether there is room for it.
func (g *gate) enter(limits *Admission, id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limits.SessionsPerIdentity > 0 && g.identities[id] >= limits.SessionsPerIdentity {
		return false
	}
	g.identities[id]++
	return true
}

func (g *gate) exit(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.identities[id]--; g.identities[id] <= 0 {
		delete(g.identities, id)
	}
}

// connections returns how many are counted now.
func (g *gate) connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}
