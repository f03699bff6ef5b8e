//go:build !unix

package transport

import (
	"context"
	"net"
)

func bindUnix(ctx context.Context, path string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "unix", path)
}
