//go:build !linux

package systemd

// Reloading gives the state that says that the service has begun to reload.
func Reloading() string { return "RELOADING=1" }
