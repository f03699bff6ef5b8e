package admission

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/transport"
)

func tcp(address string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)) }

// clocked is a gate whose time stands still until it is told otherwise.
func clocked() (*Gate, *time.Time) {
	now := time.Unix(1_900_000_000, 0)
	g := NewGate()
	g.now = func() time.Time { return now }
	return g, &now
}

func (g *Gate) enterAll(t *testing.T, limits *Limits, remote net.Addr, n int, want string) (releases []func()) {
	t.Helper()
	for range n {
		pass, reason, _ := g.Admit(limits, remote, func() {})
		if reason != want {
			t.Fatalf("%v: %q, want %q", remote, reason, want)
		}
		if reason == "" {
			pass.SignedIn()
			releases = append(releases, pass.Release)
		}
	}
	return releases
}

func TestConnectionsAreCounted(t *testing.T) {
	g, _ := clocked()
	limits := &Limits{Connections: 5, ConnectionsPerAddress: 2}
	a := g.enterAll(t, limits, tcp("192.0.2.1:1"), 2, "")
	g.enterAll(t, limits, tcp("192.0.2.1:2"), 3, TooManyOfAddress)
	g.enterAll(t, limits, tcp("[::ffff:192.0.2.1]:3"), 1, TooManyOfAddress)
	// Another address of the same /64 network is the same source, one of the next is not.
	g.enterAll(t, limits, tcp("[2001:db8::1]:1"), 1, "")
	g.enterAll(t, limits, tcp("[2001:db8::ffff:1]:1"), 1, "")
	g.enterAll(t, limits, tcp("[2001:db8::2]:1"), 1, TooManyOfAddress)
	g.enterAll(t, limits, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[2001:db8:0:1::1]:1")), 1, "")
	g.enterAll(t, limits, tcp("192.0.2.9:1"), 1, TooManyConnections)
	g.enterAll(t, limits, &net.UnixAddr{Name: "/s", Net: "unix"}, 100, "")
	for _, release := range a {
		release()
	}
	g.enterAll(t, limits, tcp("192.0.2.9:1"), 1, "")
	if len(g.sources) != 3 {
		t.Errorf("%d sources are remembered", len(g.sources))
	}
	g.enterAll(t, &Limits{}, tcp("192.0.2.1:1"), 1000, "")
}

func TestFailuresShutOut(t *testing.T) {
	g, now := clocked()
	limits := &Limits{FailuresPerAddress: 3}
	bad, good := tcp("192.0.2.1:1"), tcp("192.0.2.2:1")
	for i := range 3 {
		g.enterAll(t, limits, bad, 1, "")
		if out := g.Failed(limits, bad); out != (i == 2) {
			t.Errorf("failure %d: out is %v", i, out)
		}
	}
	_, reason, note := g.Admit(limits, bad, func() {})
	if reason != TooManyFailures || !note {
		t.Errorf("%q, logged %v", reason, note)
	}
	if _, _, note = g.Admit(limits, bad, func() {}); note {
		t.Error("logged twice in a minute")
	}
	g.enterAll(t, limits, good, 1, "")
	*now = now.Add(59 * time.Second)
	g.enterAll(t, limits, bad, 1, TooManyFailures)
	*now = now.Add(time.Second)
	g.enterAll(t, limits, bad, 1, "")
}

func TestSuspicion(t *testing.T) {
	g, _ := clocked()
	limits := &Limits{Connections: 100, ConnectionsPerAddress: 8, FailuresPerAddress: 5}
	a, b := tcp("192.0.2.1:1"), tcp("192.0.2.2:1")
	g.enterAll(t, limits, a, 1, "")
	if g.Suspicious(limits, a) {
		t.Error("one connection")
	}
	g.enterAll(t, limits, a, 1, "")
	if !g.Suspicious(limits, a) || g.Suspicious(limits, b) {
		t.Error("a quarter of what an address may have")
	}
	for i := range 50 {
		g.enterAll(t, limits, tcp(fmt.Sprintf("198.51.100.%d:1", i)), 1, "")
	}
	if !g.Suspicious(limits, b) {
		t.Error("half of what all may have")
	}
}

func TestSessionsPerIdentity(t *testing.T) {
	g, limits := NewGate(), &Limits{SessionsPerIdentity: 2}
	for i, want := range []bool{true, true, false} {
		if g.Enter(limits, "a") != want {
			t.Errorf("session %d", i)
		}
	}
	if !g.Enter(limits, "b") {
		t.Error("another identity")
	}
	g.Exit("a")
	if !g.Enter(limits, "a") {
		t.Error("after one has ended")
	}
	for range 2 {
		g.Exit("a")
	}
	g.Exit("b")
	if len(g.identities) != 0 {
		t.Errorf("%v are remembered", g.identities)
	}
}

// An attack from ever new addresses costs a bounded amount of memory, and does not
// make the gate forget those who are connected.
func TestMemoryOfTheGateIsBounded(t *testing.T) {
	g, now := clocked()
	limits := &Limits{Connections: 1000, ConnectionsPerAddress: 2, FailuresPerAddress: 5}
	held := g.enterAll(t, limits, tcp("192.0.2.1:1"), 2, "")
	random := rand.New(rand.NewPCG(1, 2))
	for range 2 * maxSources {
		var raw [16]byte
		for i := range 8 {
			raw[i] = byte(random.Uint32())
		}
		raw[0] = 0x20
		remote := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(raw), 1))
		pass, reason, _ := g.Admit(limits, remote, func() {})
		if reason != "" {
			t.Fatal(reason)
		}
		g.Failed(limits, remote)
		pass.Release()
		if len(g.sources) > maxSources {
			t.Fatalf("%d sources", len(g.sources))
		}
	}
	g.enterAll(t, limits, tcp("192.0.2.1:1"), 1, TooManyOfAddress)
	*now = now.Add(2 * FailureWindow)
	for i := range maxSources {
		pass, _, _ := g.Admit(limits, tcp(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)), func() {})
		pass.Release()
	}
	for _, release := range held {
		release()
	}
	if len(g.sources) > 2 || g.Connections() != 0 {
		t.Errorf("%d sources and %d connections are left when all is over", len(g.sources), g.Connections())
	}
}

// TestStrangersGiveWay fills a gate with connections that sign in and others that do not.
func TestStrangersGiveWay(t *testing.T) {
	g, _ := clocked()
	limits := &Limits{Connections: 4}
	closed := 0
	var strangers []transport.Pass
	for i := range 3 {
		p, reason, _ := g.Admit(limits, tcp(fmt.Sprintf("192.0.2.%d:1", i)), func() { closed++ })
		if reason != "" {
			t.Fatal(reason)
		}
		strangers = append(strangers, p)
	}
	g.enterAll(t, limits, tcp("198.51.100.1:1"), 4, "")
	if closed != 3 || g.Connections() != 4 {
		t.Errorf("%d strangers were closed, %d connections are counted", closed, g.Connections())
	}
	for _, p := range strangers {
		p.Release() // what has given way is not counted twice
	}
	g.enterAll(t, limits, tcp("198.51.100.2:1"), 1, TooManyConnections)
	if g.Connections() != 4 || g.strangers.Len() != 0 {
		t.Errorf("%d connections, %d strangers", g.Connections(), g.strangers.Len())
	}
}
