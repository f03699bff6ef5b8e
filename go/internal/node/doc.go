// Package node assembles the parts into running nodes: a Head that listens and a
// Client that dials and stays connected.
//
// Serve starts a head: listeners, authentication and a registry of operations,
// which it offers to every session. Start starts a Server: a head that follows a
// configuration, reloads it, and tells figures, spans and who did what. Connect dials
// a head, offers the client's own registry to it, and reconnects when the session is
// lost. All shut down in order and leave no goroutine behind.
package node
