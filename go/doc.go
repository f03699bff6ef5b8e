// Package alknet is a network of nodes that call each other: one Ed25519 key is a node's
// identity over QUIC, TLS, TCP and Unix sockets, and each side of a connection may offer
// operations that the other calls or subscribes to.
//
// A [Node] holds a key and operations. A head listens ([Node.Listen]); workers and
// clients connect to it ([Node.Connect]). Handlers are registered with [Node.Handle], or
// typed with [Handle]; they are called with [Conn.Call], or typed with [Call]. A worker
// joins a head under a name ([Conn.Join]): the head's callers then reach its operations
// as /name/namespace/operation.
//
// Nothing is sent again by itself. A call that was under way when its session ended fails
// with [Unavailable], since its operation may have run. Errors of calls are *[Error].
//
// All types are safe for concurrent use unless they say otherwise.
package alknet
