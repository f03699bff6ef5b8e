package node

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

func tcp(address string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)) }

// clocked is a gate whose time stands still until it is told otherwise.
func clocked() (*gate, *time.Time) {
	now := time.Unix(1_900_000_000, 0)
	g := newGate()
	g.now = func() time.Time { return now }
	return g, &now
}

func (g *gate) enterAll(t *testing.T, limits *Admission, remote net.Addr, n int, want string) (releases []func()) {
	t.Helper()
	for range n {
		release, reason, _ := g.admit(limits, remote)
		if reason != want {
			t.Fatalf("%v: %q, want %q", remote, reason, want)
		}
		releases = append(releases, release)
	}
	return releases
}

func TestConnectionsAreCounted(t *testing.T) {
	g, _ := clocked()
	limits := &Admission{Connections: 5, ConnectionsPerAddress: 2}
	a := g.enterAll(t, limits, tcp("192.0.2.1:1"), 2, "")
	g.enterAll(t, limits, tcp("192.0.2.1:2"), 3, tooManyOfAddress)
	g.enterAll(t, limits, tcp("[::ffff:192.0.2.1]:3"), 1, tooManyOfAddress)
	// Another address of the same /64 network is the same source, one of the next is not.
	g.enterAll(t, limits, tcp("[2001:db8::1]:1"), 1, "")
	g.enterAll(t, limits, tcp("[2001:db8::ffff:1]:1"), 1, "")
	g.enterAll(t, limits, tcp("[2001:db8::2]:1"), 1, tooManyOfAddress)
	g.enterAll(t, limits, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8:0:1::1]:1")), 1, "")
	g.enterAll(t, limits, tcp("192.0.2.9:1"), 1, tooManyConnections)
	g.enterAll(t, limits, &net.UnixAddr{Name: "/s", Net: "unix"}, 100, "")
	for _, release := range a {
		release()
	}
	g.enterAll(t, limits, tcp("192.0.2.9:1"), 1, "")
	if len(g.sources) != 3 {
		t.Errorf("%d sources are remembered", len(g.sources))
	}
	g.enterAll(t, &Admission{}, tcp("192.0.2.1:1"), 1000, "")
}

func TestFailuresShutOut(t *testing.T) {
	g, now := clocked()
	limits := &Admission{FailuresPerAddress: 3}
	bad, good := tcp("192.0.2.1:1"), tcp("192.0.2.2:1")
	for i := range 3 {
		g.enterAll(t, limits, bad, 1, "")
		if out := g.failed(limits, bad); out != (i == 2) {
			t.Errorf("failure %d: out is %v", i, out)
		}
	}
	_, reason, note := g.admit(limits, bad)
	if reason != tooManyFailures || !note {
		t.Errorf("%q, logged %v", reason, note)
	}
	if _, _, note = g.admit(limits, bad); note {
		t.Error("logged twice in a minute")
	}
	g.enterAll(t, limits, good, 1, "")
	*now = now.Add(59 * time.Second)
	g.enterAll(t, limits, bad, 1, tooManyFailures)
	*now = now.Add(time.Second)
	g.enterAll(t, limits, bad, 1, "")
}

func TestSuspicion(t *testing.T) {
	g, _ := clocked()
	limits := &Admission{Connections: 100, ConnectionsPerAddress: 8, FailuresPerAddress: 5}
	a, b := tcp("192.0.2.1:1"), tcp("192.0.2.2:1")
	g.enterAll(t, limits, a, 1, "")
	if g.suspicious(limits, a) {
		t.Error("one connection")
	}
	g.enterAll(t, limits, a, 1, "")
	if !g.suspicious(limits, a) || g.suspicious(limits, b) {
		t.Error("a quarter of what an address may have")
	}
	for i := range 50 {
		g.enterAll(t, limits, tcp(fmt.Sprintf("198.51.100.%d:1", i)), 1, "")
	}
	if !g.suspicious(limits, b) {
		t.Error("half of what all may have")
	}
}

func TestSessionsPerIdentity(t *testing.T) {
	g, limits := newGate(), &Admission{SessionsPerIdentity: 2}
	for i, want := range []bool{true, true, false} {
		if g.enter(limits, "a") != want {
			t.Errorf("session %d", i)
		}
	}
	if !g.enter(limits, "b") {
		t.Error("another identity")
	}
	g.exit("a")
	if !g.enter(limits, "a") {
		t.Error("after one has ended")
	}
	for range 2 {
		g.exit("a")
	}
	g.exit("b")
	if len(g.identities) != 0 {
		t.Errorf("%v are remembered", g.identities)
	}
}

// An attack from ever new addresses costs a bounded amount of memory, and does not
// make the gate forget those who are connected.
func TestMemoryOfTheGateIsBounded(t *testing.T) {
	g, now := clocked()
	limits := &Admission{Connections: 1000, ConnectionsPerAddress: 2, FailuresPerAddress: 5}
	held := g.enterAll(t, limits, tcp("192.0.2.1:1"), 2, "")
	random := rand.New(rand.NewPCG(1, 2))
	for range 2 * maxSources {
		var raw [16]byte
		for i := range 8 {
			raw[i] = byte(random.Uint32())
		}
		raw[0] = 0x20
		remote := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(raw), 1))
		release, reason, _ := g.admit(limits, remote)
		if reason != "" {
			t.Fatal(reason)
		}
		g.failed(limits, remote)
		release()
		if len(g.sources) > maxSources {
			t.Fatalf("%d sources", len(g.sources))
		}
	}
	g.enterAll(t, limits, tcp("192.0.2.1:1"), 1, tooManyOfAddress)
	*now = now.Add(2 * failureWindow)
	for i := range maxSources {
		release, _, _ := g.admit(limits, tcp(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)))
		release()
	}
	for _, release := range held {
		release()
	}
	if len(g.sources) > 2 || g.connections() != 0 {
		t.Errorf("%d sources and %d connections are left when all is over", len(g.sources), g.connections())
	}
}
