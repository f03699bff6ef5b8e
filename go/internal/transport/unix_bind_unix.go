//go:build unix && !linux

package transport

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// umasking is held while the umask, which is the process's, is another one.
var umasking sync.Mutex

// bindUnix binds a socket file that has mode 0600 from its first moment.
func bindUnix(ctx context.Context, path string) (net.Listener, error) {
	umasking.Lock()
	defer umasking.Unlock()
	before := syscall.Umask(0o177)
	defer syscall.Umask(before)
	var config net.ListenConfig
	return config.Listen(ctx, "unix", path)
}
