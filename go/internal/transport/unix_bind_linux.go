package transport

import (
	"context"
	"net"
	"syscall"
)

// bindUnix binds a socket file that has mode 0600 from its first moment: Linux makes it
// with the mode of the socket itself, as far as the umask allows.
func bindUnix(ctx context.Context, path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return failed
	}}
	return config.Listen(ctx, "unix", path)
}
