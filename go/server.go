package alknet

import (
	"context"

	"github.com/alkdev/alknet/go/internal/node"
)

// Server is a node that listens.
type Server struct{ head *node.Head }

// Addresses returns where clients reach the server, one address a listener, each with the
// server's key pinned.
func (s *Server) Addresses() []string { return s.head.Addresses() }

// Sessions returns the sessions that are open now, in no particular order.
func (s *Server) Sessions() []*Session {
	open := s.head.Sessions()
	all := make([]*Session, len(open))
	for i, session := range open {
		all[i] = sessionOf(session.Session)
	}
	return all
}

// Shutdown stops listening, informs every peer, and lets requests finish until ctx ends,
// or for 5 s where ctx has no deadline; the rest fail with [Unavailable]. It returns when
// nothing of the server runs any more.
func (s *Server) Shutdown(ctx context.Context) error { return s.head.Shutdown(ctx) }

// Close is Shutdown without waiting for requests.
func (s *Server) Close() error { return s.head.Close() }
