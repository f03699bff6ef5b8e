package credential

import (
	"slices"
	"strings"
)

// Type says what a service wants to see. Its text is the public API's.
type Type string

// The types of credentials.
const (
	TypeAPIKey Type = "apiKey"
	TypeBasic  Type = "basic"
	TypeBearer Type = "bearer"
	TypeS3     Type = "s3"
	TypeOIDC   Type = "oidc"
	TypeCustom Type = "custom"
)

// Types returns all of them.
func Types() []Type { return []Type{TypeAPIKey, TypeBasic, TypeBearer, TypeS3, TypeOIDC, TypeCustom} }

const (
	// MaxField bounds one part of a credential, in bytes: a long token or a private
	// key in PEM form has a fraction of it.
	MaxField = 16 << 10
	// MaxFields bounds how many parts a custom credential has.
	MaxFields = 32
	// MaxEntry bounds a whole credential in its canonical form, in bytes.
	MaxEntry = 64 << 10
)

// Value is a credential with its secrets: an *APIKey, *Basic, *Bearer, *S3, *OIDC or
// *Custom. It belongs to whoever has it, who wipes it after use. All parts are UTF-8,
// of at most MaxField bytes.
type Value interface {
	Type() Type
	// Wipe zeroes the secrets.
	Wipe()

	parts() []part
}

// part is one member of a Value: a text, or a secret.
type part struct {
	name     string
	text     *string
	secret   *Secret
	required bool
	wrong    func(string) string // what is wrong with a text, or ""
}

// APIKey is a key that goes with every request.
type APIKey struct {
	Key    Secret // required
	Header string // the HTTP header that takes it; "" is X-API-Key
}

// Basic is a name and a password (RFC 7617).
type Basic struct {
	Username string // required, without a colon
	Password Secret // required
}

// Bearer is a bearer token (RFC 6750).
type Bearer struct {
	Token Secret // required
}

// S3 is an access key for object storage.
type S3 struct {
	AccessKeyID     string // required
	SecretAccessKey Secret // required
	SessionToken    Secret
	Region          string
	Endpoint        string // an http or https URL; "" is the provider's own
}

// OIDC is what a client of OpenID Connect has. A secret or a refresh token is
// required.
type OIDC struct {
	Issuer       string // required, an https URL, or http of a loopback host
	ClientID     string // required
	ClientSecret Secret
	RefreshToken Secret
	Scope        string // names with spaces between them
}

// Custom is anything else: 1 to MaxFields named parts, all of them secret. A name has
// 1 to 64 letters, digits, "_", "-" and ".", and begins with a letter.
type Custom struct {
	Fields map[string]Secret
}

// Type is TypeAPIKey.
func (*APIKey) Type() Type { return TypeAPIKey }

// Type is TypeBasic.
func (*Basic) Type() Type { return TypeBasic }

// Type is TypeBearer.
func (*Bearer) Type() Type { return TypeBearer }

// Type is TypeS3.
func (*S3) Type() Type { return TypeS3 }

// Type is TypeOIDC.
func (*OIDC) Type() Type { return TypeOIDC }

// Type is TypeCustom.
func (*Custom) Type() Type { return TypeCustom }

// Wipe zeroes the key.
func (v *APIKey) Wipe() { wipe(v) }

// Wipe zeroes the password.
func (v *Basic) Wipe() { wipe(v) }

// Wipe zeroes the token.
func (v *Bearer) Wipe() { wipe(v) }

// Wipe zeroes the secret key and the session token.
func (v *S3) Wipe() { wipe(v) }

// Wipe zeroes the client's secret and the refresh token.
func (v *OIDC) Wipe() { wipe(v) }

// Wipe zeroes all fields.
func (v *Custom) Wipe() { wipe(v) }

func wipe(v Value) {
	for _, p := range v.parts() {
		if p.secret != nil {
			p.secret.Wipe()
		}
	}
}

func (v *APIKey) parts() []part {
	return []part{{name: "header", text: &v.Header, wrong: wrongHeader}, {name: "key", secret: &v.Key, required: true}}
}

func (v *Basic) parts() []part {
	return []part{{name: "password", secret: &v.Password, required: true}, {name: "username", text: &v.Username, required: true, wrong: wrongUsername}}
}

func (v *Bearer) parts() []part {
	return []part{{name: "token", secret: &v.Token, required: true}}
}

func (v *S3) parts() []part {
	return []part{
		{name: "accessKeyId", text: &v.AccessKeyID, required: true}, {name: "endpoint", text: &v.Endpoint, wrong: wrongEndpoint}, {name: "region", text: &v.Region},
		{name: "secretAccessKey", secret: &v.SecretAccessKey, required: true}, {name: "sessionToken", secret: &v.SessionToken},
	}
}

func (v *OIDC) parts() []part {
	return []part{
		{name: "clientId", text: &v.ClientID, required: true}, {name: "clientSecret", secret: &v.ClientSecret}, {name: "issuer", text: &v.Issuer, required: true, wrong: wrongIssuer},
		{name: "refreshToken", secret: &v.RefreshToken}, {name: "scope", text: &v.Scope},
	}
}

func (v *Custom) parts() []part {
	parts := make([]part, 0, len(v.Fields))
	for name, s := range v.Fields {
		parts = append(parts, part{name: name, secret: &s, required: true})
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts
}

// newValue makes an empty Value; nil for a type that there is not.
func newValue(t Type) Value {
	switch t {
	case TypeAPIKey:
		return &APIKey{}
	case TypeBasic:
		return &Basic{}
	case TypeBearer:
		return &Bearer{}
	case TypeS3:
		return &S3{}
	case TypeOIDC:
		return &OIDC{}
	case TypeCustom:
		return &Custom{Fields: map[string]Secret{}}
	}
	return nil
}
