package auth

import (
	"context"
	"net/netip"
)

type peerAddrKey struct{}

// ContextWithPeerAddr returns a context that tells an IdentityProvider where the
// caller connects from, for rules such as from=.
func ContextWithPeerAddr(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, peerAddrKey{}, addr)
}

func peerAddr(ctx context.Context) (netip.Addr, bool) {
	addr, ok := ctx.Value(peerAddrKey{}).(netip.Addr)
	return addr, ok
}
