// Package call is the call protocol: sessions between two nodes, the registry of
// operations, access control, and the requests that travel both ways.
//
// A Registry holds operations, each a spec and a handler. A Session speaks the
// protocol over a Link, which is whatever moves bytes between two authenticated
// nodes; Accept opens the listening side and Open the dialling side. After that
// both sides may call: Session.Call and Session.Subscribe send requests, and the
// requests of the other side are checked (existence, access, schema) and given to
// the registry's handlers.
//
// The package knows no transport. Everything that arrives is hostile until
// checked; a malformed frame ends its own session with PROTOCOL_ERROR and nothing
// else.
package call
