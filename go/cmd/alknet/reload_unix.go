//go:build unix

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alkdev/alknet/go/auth"
)

// reloadOnHangup reads the authorized keys again on SIGHUP. A file with a mistake
// changes nothing.
func (a *app) reloadOnHangup(keys *auth.KeySet, path string, mayBeMissing bool, defaultScopes []string, logger *slog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	context.AfterFunc(a.ctx, func() { signal.Stop(hangup); close(hangup) })
	go func() {
		for range hangup {
			grants, err := readGrants(path, mayBeMissing)
			if err != nil {
				logger.Error("the authorized keys stay as they were", "error", err)
				continue
			}
			keys.Replace(grants, defaultScopes)
			logger.Info("authorized keys read again", "keys", len(grants))
		}
	}()
}
