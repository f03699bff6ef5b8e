package transport

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// Strangers are connections whose peers have not signed in, in the order in which they
// came. When there is no room for another one, the oldest of the network that has most of
// them gives way: whoever opens many makes room for others. It is safe for concurrent
// use; the zero value is empty.
type Strangers struct {
	mu       sync.Mutex
	networks map[netip.Prefix]*list.List // of *Stranger, the oldest first
	count    int
}

// Stranger is one connection among Strangers.
type Stranger struct {
	network netip.Prefix
	close   func()
	place   *list.Element // nil once it is none of them any more
}

// Add enters a connection; close is called at most once, if it has to give way.
func (s *Strangers) Add(remote net.Addr, close func()) *Stranger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.networks == nil {
		s.networks = map[netip.Prefix]*list.List{}
	}
	stranger := &Stranger{network: networkOf(remote), close: close}
	of := s.networks[stranger.network]
	if of == nil {
		of = list.New()
		s.networks[stranger.network] = of
	}
	stranger.place = of.PushBack(stranger)
	s.count++
	return stranger
}

// Remove takes a connection out, whose peer has signed in or which has ended. It may be
// called again, and reports whether the connection was among them.
func (s *Strangers) Remove(stranger *Stranger) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(stranger)
}

func (s *Strangers) remove(stranger *Stranger) bool {
	if stranger.place == nil {
		return false
	}
	of := s.networks[stranger.network]
	of.Remove(stranger.place)
	stranger.place = nil
	if of.Len() == 0 {
		delete(s.networks, stranger.network)
	}
	s.count--
	return true
}

// Evict closes the oldest connection of the network that has most, and returns it; nil
// when there is none. It looks at each network once: there are at most as many as
// connections.
func (s *Strangers) Evict() *Stranger {
	s.mu.Lock()
	var busiest *list.List
	for _, of := range s.networks {
		if busiest == nil || of.Len() > busiest.Len() {
			busiest = of
		}
	}
	if busiest == nil {
		s.mu.Unlock()
		return nil
	}
	oldest := busiest.Front().Value.(*Stranger)
	s.remove(oldest)
	s.mu.Unlock()
	oldest.close()
	return oldest
}

// Len returns how many there are.
func (s *Strangers) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// networkOf returns the /24 or /48 of an address; the zero prefix stands for all Unix
// sockets.
func networkOf(remote net.Addr) netip.Prefix {
	var addr netip.Addr
	switch a := remote.(type) {
	case *net.TCPAddr:
		addr = a.AddrPort().Addr()
	case *net.UDPAddr:
		addr = a.AddrPort().Addr()
	default:
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
