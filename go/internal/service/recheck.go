package service

import (
	"errors"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
)

// Recheck asks the provider again about every node that is connected: it is for a
// provider that changes. A node whose key is not accepted any more loses its connection,
// and a request whose scope its key has lost ends with FORBIDDEN.
func (s *Server) Recheck() {
	s.mu.Lock()
	peers := make([]*peer, 0, len(s.peers))
	for p := range s.peers {
		peers = append(peers, p)
	}
	s.mu.Unlock()
	for _, p := range peers {
		p.recheck()
	}
}

var errRevoked = errors.New("the key of this node is not authorized any more")

// recheck judges the node again, now and when its key's time is over.
func (p *peer) recheck() {
	p.judging.Lock()
	defer p.judging.Unlock()
	if p.expiry != nil {
		p.expiry.Stop()
		p.expiry = nil
	}
	if p.over {
		return
	}
	conn := p.link.conn
	now, err := p.server.cfg.Provider.IdentityFromKey(auth.ContextWithRemote(p.server.ctx, conn.RemoteAddr()), conn.PeerKey())
	if err != nil {
		p.server.cfg.Logger.Warn("session revoked", "identity", p.identity.Load().ID, "addr", auth.Host(conn.RemoteAddr()), "transport", conn.Kind())
		p.link.close(errRevoked)
		return
	}
	p.identity.Store(now)
	if !now.Expires.IsZero() {
		p.expiry = time.AfterFunc(time.Until(now.Expires), p.recheck)
	}
	for _, r := range p.all() {
		if r.scope != "" && !now.HasScope(r.scope) {
			r.Failed(call.Errorf(call.Forbidden, "the key of this node has lost the scope %s", r.scope))
			r.stop("the node has lost the scope")
		}
	}
}

// gone ends the judging of a node that has left.
func (p *peer) gone() {
	p.judging.Lock()
	defer p.judging.Unlock()
	p.over = true
	if p.expiry != nil {
		p.expiry.Stop()
	}
}

// scopeOf returns what a request needs.
func scopeOf(operation string) string {
	switch {
	case len(operation) > 0 && operation[0] == '/':
		return ScopeOperations
	case len(operation) > 7 && operation[:7] == "secret.":
		return ScopeSecrets
	}
	return ScopeConfig
}
