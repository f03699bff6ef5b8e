//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onHangup has reload called for each SIGHUP.
func (a *app) onHangup(reload func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	context.AfterFunc(a.ctx, func() { signal.Stop(hangup); close(hangup) })
	go func() {
		for range hangup {
			reload()
		}
	}()
}
