//go:build !unix

package main

import (
	"log/slog"

	"github.com/alkdev/alknet/go/auth"
)

// reloadOnHangup does nothing: there is no SIGHUP here.
func (a *app) reloadOnHangup(*auth.KeySet, string, bool, []string, *slog.Logger) {}
