package service

import (
	"net"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/transport"
)

// DefaultAdmission are the limits of a server that sets none: those of a head.
var DefaultAdmission = admission.Limits{Connections: 10_000, ConnectionsPerAddress: 64, FailuresPerAddress: 30}

// entrance is the server as its listeners' gate.
type entrance struct{ server *Server }

// Admit implements transport.Gate.
func (e entrance) Admit(remote net.Addr, close func()) (transport.Pass, bool) {
	pass, reason, note := e.server.gate.Admit(e.server.cfg.Admission, remote, close)
	if note {
		auth.LogRejected(e.server.cfg.Logger, "turned-away", remote, "none", "", reason)
	}
	return pass, reason == ""
}

// Suspicious implements transport.Gate.
func (e entrance) Suspicious(remote net.Addr) bool {
	return e.server.gate.Suspicious(e.server.cfg.Admission, remote)
}

// Unproven implements transport.Gate.
func (e entrance) Unproven(remote net.Addr) {
	e.server.rejected(remote, &auth.RejectError{Reason: "unproven-key"})
}

// rejected counts and logs a key that was refused.
func (s *Server) rejected(remote net.Addr, err error) {
	claimed, reason := auth.Rejection(err)
	auth.LogRejected(s.cfg.Logger, "reject", remote, "key", claimed, reason)
	if s.gate.Failed(s.cfg.Admission, remote) {
		auth.LogRejected(s.cfg.Logger, "block", remote, "key", "", admission.TooManyFailures)
	}
}
