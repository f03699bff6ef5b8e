// Package systemd is what a service tells its service manager and gets from it:
// sd_notify(3) and socket activation, sd_listen_fds(3). On systems without systemd,
// and outside a service, it does nothing.
//
// Both are an environment variable and a datagram or a file descriptor; the package
// takes the place of a library for that.
package systemd
