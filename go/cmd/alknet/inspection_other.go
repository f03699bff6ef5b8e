//go:build !linux

package main

// forbidInspection does nothing: there is no such switch here. memguard has set
// RLIMIT_CORE to 0 where there is one.
func forbidInspection() {}
