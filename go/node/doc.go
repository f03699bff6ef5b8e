// Package node assembles the parts into running nodes: a Head that listens and a
// Client that dials and stays connected.
//
// Serve starts a head: listeners, authentication and a registry of operations,
// which it offers to every session. Connect dials a head, offers the client's own
// registry to it, and reconnects when the session is lost. Both shut down in
// order and leave no goroutine behind.
package node
