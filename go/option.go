package alknet

import (
	"crypto/x509"
	"encoding/json"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// CallOption changes one request.
type CallOption = call.Option

// WithTimeout ends the request with [Timeout] after d, on both sides.
func WithTimeout(d time.Duration) CallOption { return call.WithTimeout(d) }

// IdleTimeout ends a subscription with [Timeout] when no event comes for d while the
// reader has room. d is at least 100 ms.
func IdleTimeout(d time.Duration) CallOption { return call.WithIdleTimeout(d) }

// Window lets a subscription's events be at most n ahead of its reader. Default: 256.
func Window(n int) CallOption { return call.WithWindow(n) }

// Metadata sends strings along with the request.
func Metadata(m map[string]string) CallOption { return call.WithMetadata(m) }

// AuthToken makes the request under the identity of a token or an API key, in place of the
// session's.
func AuthToken(token string) CallOption { return call.WithAuthToken(token) }

// ContinueRunning lets a call that a handler invoked run on when the handler's own request
// has ended. It is not for subscriptions.
func ContinueRunning() CallOption { return call.ContinueRunning() }

// At puts a path before the operation's name: with At("/dev1") the request for /math/add
// goes to /dev1/math/add, the operation of the node that has joined as dev1.
func At(path string) CallOption { return call.At(path) }

// HandlerOption changes one registration.
type HandlerOption func(*handling)

// handling is a registration in the making.
type handling struct {
	spec    Spec
	options []call.HandleOption
}

func (h *handling) add(o call.HandleOption) { h.options = append(h.options, o) }

// WithAuthority gives the handler an identity of its own, under which it invokes other
// operations. Default: an identity without scopes that has the operation's name.
func WithAuthority(id *Identity) HandlerOption {
	return func(h *handling) { h.add(call.WithAuthority(id)) }
}

// Reach lists the operations that the handler may invoke. A segment "*" stands for any one
// segment, "**" for any number. Default: none.
func Reach(operations ...string) HandlerOption {
	return func(h *handling) { h.add(call.WithReach(operations...)) }
}

// Credentials lists the services whose credentials the handler may use. Default: none.
func Credentials(services ...string) HandlerOption {
	return func(h *handling) { h.add(call.WithCredentials(services...)) }
}

// RequireScopes requires all the scopes of callers, beside those of the spec.
func RequireScopes(scopes ...string) HandlerOption {
	return func(h *handling) {
		access := &h.spec.AccessControl
		access.RequiredScopes = append(access.RequiredScopes[:len(access.RequiredScopes):len(access.RequiredScopes)], scopes...)
	}
}

// Describe sets the description of the operation.
func Describe(text string) HandlerOption {
	return func(h *handling) { h.spec.Description = text }
}

// Mutation marks an operation as one that changes something. Default: [Handle] registers a
// query.
func Mutation() HandlerOption {
	return func(h *handling) { h.spec.Type = TypeMutation }
}

// InputSchema sets the JSON Schema (2020-12) of the input, in place of the one that
// [Handle] makes from the Go type.
func InputSchema(schema json.RawMessage) HandlerOption {
	return func(h *handling) { h.spec.InputSchema = schema }
}

// OutputSchema sets the JSON Schema (2020-12) of the output, in place of the one that
// [Handle] makes from the Go type.
func OutputSchema(schema json.RawMessage) HandlerOption {
	return func(h *handling) { h.spec.OutputSchema = schema }
}

// ConnectOption changes one connection.
type ConnectOption func(*node.ClientConfig)

// WithToken signs in with a token or an API key where the transport proves no key (TCP,
// Unix sockets). Default: a token of the node's key.
func WithToken(token string) ConnectOption {
	return func(c *node.ClientConfig) { c.Token = token }
}

// Certificate shows an OpenSSH user certificate of the node's key, a line of text.
func Certificate(line string) ConnectOption {
	return func(c *node.ClientConfig) { c.Certificate = line }
}

// RootCAs verify a server whose key the address does not pin. Default: the system's.
func RootCAs(pool *x509.CertPool) ConnectOption {
	return func(c *node.ClientConfig) { c.RootCAs = pool }
}

// PeerScopes grants scopes to the peer for its calls to this node. Default: none.
func PeerScopes(scopes ...string) ConnectOption {
	return func(c *node.ClientConfig) { c.PeerScopes = scopes }
}

// WithoutReconnect ends the connection with its first session.
func WithoutReconnect() ConnectOption {
	return func(c *node.ClientConfig) { c.NoReconnect = true }
}

// ConnectTimeout bounds each attempt to connect. Default: 10 s.
func ConnectTimeout(d time.Duration) ConnectOption {
	return func(c *node.ClientConfig) { c.Timeout = d }
}
