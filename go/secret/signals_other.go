//go:build !linux

package secret

// holdSignals does nothing here: see signals_linux.go for what it is for.
func holdSignals() (release func()) { return func() {} }
