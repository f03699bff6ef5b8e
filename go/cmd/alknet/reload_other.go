//go:build !unix

package main

// onHangup does nothing: there is no SIGHUP here.
func (a *app) onHangup(func()) {}
