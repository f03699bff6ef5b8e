// Package service is the in-cluster form of what a node is made of: a process that
// offers operations, secrets or a configuration to nodes of the same owner, over a
// Unix socket or QUIC, with a binary encoding and both keys proven.
//
// Serve listens and Connect dials. A Client is a call.Service: once it is attached to
// a node's registry, the node's handlers invoke the operations of the service as if
// they were the node's own. Client.Secrets and Client.Config give the service's
// SecretService and ConfigService; whoever uses these cannot tell them from ones in
// the same process.
//
// # The protocol alknet-service/1
//
// The peers speak TLS 1.3, over a Unix socket or within QUIC, negotiate the protocol
// by ALPN (RFC 7301) and both present a certificate with an Ed25519 key, which the
// other side knows beforehand. On the one stream between them a message is a 4-byte
// big-endian length and that many bytes of CBOR (RFC 8949), an array of three: type,
// id, body. The client chooses ids, each once; type and body are:
//
//	0 hello      server and client, id 0, first: {1: agent}
//	1 request    client: {1: operation, 2: input, 3: stream, 5: idle timeout (ms), 6: window,
//	             7: parent, 8: metadata, 9: identity {1: id, 2: scopes, 3: resources}, 10: timeout (the ms
//	             that are left; 4 is the deadline, Unix ms, of clients of version 0.1)}
//	2 abort      client: {1: reason}
//	3 credit     client: n, room for n more events
//	4 output     server: {1: output}, the end of a call, or one event of a stream
//	5 completed  server: null, the end of a stream
//	6 failed     server: {1: code, 2: message, 3: retryable, 4: details}
//	7 closing    server, id 0: null; nothing new is taken
//
// An input or output that is JSON is embedded as it is, as a byte string with the tag
// 262 ("embedded JSON object", IANA CBOR tags registry); the operations of
// SecretService and ConfigService have CBOR of their own. What is optional is left
// out. Unknown map keys are ignored, an unknown type ends the connection.
package service
