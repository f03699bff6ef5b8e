package auth

import (
	"context"
	"net"
	"net/netip"
)

type peerAddrKey struct{}

// ContextWithPeerAddr returns a context that tells an IdentityProvider where the
// caller connects from, for rules such as from=.
func ContextWithPeerAddr(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, peerAddrKey{}, addr)
}

// ContextWithRemote is ContextWithPeerAddr for a network's address; an address that is
// none of an IP network leaves the context as it is.
func ContextWithRemote(ctx context.Context, remote net.Addr) context.Context {
	if addr, err := netip.ParseAddrPort(remote.String()); err == nil {
		return ContextWithPeerAddr(ctx, addr.Addr().Unmap())
	}
	return ctx
}

func peerAddr(ctx context.Context) (netip.Addr, bool) {
	addr, ok := ctx.Value(peerAddrKey{}).(netip.Addr)
	return addr, ok
}
