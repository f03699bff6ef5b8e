package auth

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Rejection returns whose credential an IdentityProvider has refused, as far as that is
// known, and why, in one word.
func Rejection(err error) (claimed, reason string) {
	rejected := &RejectError{Reason: "error"}
	errors.As(err, &rejected)
	return rejected.Claimed, rejected.Reason
}

// Skew returns by how much the time of a token that was refused for it differs from this
// clock; 0 for any other error.
func Skew(err error) time.Duration {
	var rejected *RejectError
	if errors.As(err, &rejected) {
		return rejected.Skew
	}
	return 0
}

// LogRejected writes the line that fail2ban reads (docs/fail2ban), wherever a credential or
// a connection was rejected.
func LogRejected(logger *slog.Logger, result string, remote net.Addr, method, fingerprint, reason string) {
	logger.Log(context.Background(), slog.LevelWarn, "auth", "result", result, "addr", Host(remote), "method", method, "fingerprint", fingerprint, "reason", reason)
}

// Host gives an address without its port. The client's end of a Unix socket has no name.
func Host(remote net.Addr) string {
	if remote.Network() == "unix" {
		return "unix"
	}
	if addr, _, err := net.SplitHostPort(remote.String()); err == nil {
		return addr
	}
	return remote.String()
}
