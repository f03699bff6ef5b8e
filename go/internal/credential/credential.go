package credential

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/alkdev/alknet/go/secret"
)

// Provider gives a node's handlers what they sign in elsewhere with. It is safe for
// concurrent use. Errors are *Error.
type Provider interface {
	// Get returns the credential of a service: NOT_FOUND where there is none.
	Get(ctx context.Context, service string) (Credential, error)
}

// Info is what can be told of a credential to its owner: everything but the secrets.
type Info struct {
	Service string    `json:"service"`
	Type    Type      `json:"type"`
	Added   time.Time `json:"added"`
	// Fields are the parts that are no secrets, by name.
	Fields map[string]string `json:"fields"`
	// Secrets are the names of those that are.
	Secrets []string `json:"secrets"`
}

// Credential is how a node signs in to one service: a handle that holds no secret.
// It is safe for concurrent use and needs no closing. The zero value is a credential
// of nothing, which opens to NOT_FOUND.
type Credential struct {
	info   Info
	open   func(ctx context.Context) (Value, error)
	sealed *secret.EncryptedData // of a Directory
}

// New makes a credential of a Value, for a Provider of another kind; the value belongs
// to it from then on, unsealed in memory. Errors: INVALID_INPUT.
func New(service string, added time.Time, value Value) (Credential, error) {
	if err := CheckService(service); err != nil {
		return Credential{}, err
	}
	if err := validate(value); err != nil {
		return Credential{}, err
	}
	return Credential{info: infoOf(entry{service, added, value}), open: func(context.Context) (Value, error) { return cloneOf(value), nil }}, nil
}

func infoOf(e entry) Info {
	info := Info{Service: e.service, Type: e.value.Type(), Added: e.added, Fields: map[string]string{}, Secrets: []string{}}
	for _, p := range e.value.parts() {
		switch {
		case p.len() == 0:
		case p.secret != nil:
			info.Secrets = append(info.Secrets, p.name)
		default:
			info.Fields[p.name] = *p.text
		}
	}
	return info
}

func cloneOf(v Value) Value {
	out := newValue(v.Type())
	if custom, ok := out.(*Custom); ok {
		for _, p := range v.parts() {
			custom.Fields[p.name] = p.secret.clone()
		}
		return custom
	}
	to := out.parts()
	for i, p := range v.parts() {
		if p.secret != nil {
			*to[i].secret = p.secret.clone()
		} else {
			*to[i].text = *p.text
		}
	}
	return out
}

// Service returns the service's name.
func (c Credential) Service() string { return c.info.Service }

// Type returns what kind of credential it is.
func (c Credential) Type() Type { return c.info.Type }

// Text returns a part that is no secret, such as username; "" where there is none.
func (c Credential) Text(name string) string { return c.info.Fields[name] }

// Info returns a copy of everything but the secrets.
func (c Credential) Info() Info {
	info := c.info
	info.Fields, info.Secrets = maps.Clone(info.Fields), slices.Clone(info.Secrets)
	return info
}

// Sealed returns the sealed form, for Directory.Unseal; ok is false for a credential
// that is of no Directory.
func (c Credential) Sealed() (sealed secret.EncryptedData, ok bool) {
	if c.sealed == nil {
		return secret.EncryptedData{}, false
	}
	return *c.sealed, true
}

// Open opens the credential with all its secrets, for the caller to use and then to
// Wipe. Errors: LOCKED while the store is locked, DECRYPTION_FAILED after it was
// unlocked with another phrase, UNAVAILABLE.
func (c Credential) Open(ctx context.Context) (Value, error) {
	if c.open == nil {
		return nil, errorf(NotFound, "there is no credential: it is empty")
	}
	return c.open(ctx)
}

// Secret opens one secret, the caller's to wipe. Errors are those of Open, and
// NOT_FOUND for one that the credential has not.
func (c Credential) Secret(ctx context.Context, name string) ([]byte, error) {
	if !slices.Contains(c.info.Secrets, name) {
		return nil, errorf(NotFound, "the credential of %s, of type %s, has no secret %.64q", c.info.Service, c.info.Type, name)
	}
	value, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer value.Wipe()
	p, ok := partOf(value, name)
	if !ok || p.secret == nil {
		return nil, errorf(NotFound, "the credential of %s has no secret %.64q any more", c.info.Service, name)
	}
	return bytes.Clone(p.secret.Bytes()), nil
}

// Reveal returns the whole credential with its secrets as JSON, the caller's to wipe:
//
//	{"credential":1,"service":"…","type":"…","added":"…","fields":{"name":"…"}}
//
// Errors are those of Open.
func (c Credential) Reveal(ctx context.Context) ([]byte, error) {
	value, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer value.Wipe()
	return entry{c.info.Service, c.info.Added, value}.encode()
}

// DefaultHeader is the header of an APIKey that names none.
const DefaultHeader = "X-API-Key"

// Header returns the HTTP header that carries an apiKey, a basic or a bearer
// credential: Authorization, or the one that an apiKey names. The value is the
// caller's to wipe. Errors are those of Open, and INVALID_INPUT for other types.
func (c Credential) Header(ctx context.Context) (name string, value []byte, err error) {
	switch c.info.Type {
	case TypeAPIKey, TypeBasic, TypeBearer:
	default:
		return "", nil, errorf(InvalidInput, "a credential of type %s goes into no header", c.info.Type)
	}
	opened, err := c.Open(ctx)
	if err != nil {
		return "", nil, err
	}
	defer opened.Wipe()
	switch v := opened.(type) {
	case *APIKey:
		if name = v.Header; name == "" {
			name = DefaultHeader
		}
		return name, bytes.Clone(v.Key.Bytes()), nil
	case *Bearer:
		return "Authorization", slices.Concat([]byte("Bearer "), v.Token.Bytes()), nil
	case *Basic:
		pair := slices.Concat([]byte(v.Username), []byte{':'}, v.Password.Bytes())
		defer clear(pair)
		return "Authorization", base64.StdEncoding.AppendEncode(append(make([]byte, 0, 6+base64.StdEncoding.EncodedLen(len(pair))), "Basic "...), pair), nil
	}
	return "", nil, errorf(InvalidInput, "the credential is of another type than it was")
}

// String tells the service and the type.
func (c Credential) String() string {
	return fmt.Sprintf("credential.Credential(%s %s)", c.info.Service, c.info.Type)
}

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// Format writes String, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue gives the service and the type.
func (c Credential) LogValue() slog.Value {
	return slog.GroupValue(slog.String("service", c.info.Service), slog.String("type", string(c.info.Type)))
}

// MarshalJSON returns the Info.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.info) }
