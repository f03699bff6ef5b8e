package credential

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
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

// Build makes a Value of a type from its parts by name, as they are in the canonical
// form: texts, and secrets, which the Value takes over and which are wiped if it
// fails. Errors: INVALID_INPUT.
func Build(t Type, texts map[string]string, secrets map[string][]byte) (Value, error) {
	value, err := build(t, texts, secrets)
	if err != nil {
		for _, b := range secrets {
			clear(b)
		}
		return nil, err
	}
	return value, nil
}

func build(t Type, texts map[string]string, secrets map[string][]byte) (Value, error) {
	value := newValue(t)
	if value == nil {
		return nil, errorf(InvalidInput, "there is no type of credential %.40q: want apiKey, basic, bearer, s3, oidc or custom", t)
	}
	for name, text := range texts {
		p, ok := partOf(value, name)
		switch {
		case !ok:
			return nil, errorf(InvalidInput, "a credential of type %s has no part %.64q that is no secret (it has %s)", t, name, namesOf(value, false))
		case p.text == nil:
			return nil, errorf(InvalidInput, "the part %s of type %s is a secret: give it as one", name, t)
		}
		*p.text = text
	}
	for name, b := range secrets {
		if custom, ok := value.(*Custom); ok {
			custom.Fields[name] = NewSecret(b)
			continue
		}
		p, ok := partOf(value, name)
		switch {
		case !ok:
			return nil, errorf(InvalidInput, "a credential of type %s has no secret %.64q (it has %s)", t, name, namesOf(value, true))
		case p.secret == nil:
			return nil, errorf(InvalidInput, "the part %s of type %s is no secret: give it as a text", name, t)
		}
		*p.secret = NewSecret(b)
	}
	return value, validate(value)
}

func partOf(v Value, name string) (part, bool) {
	parts := v.parts()
	i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
	if i < 0 {
		return part{}, false
	}
	return parts[i], true
}

func namesOf(v Value, secrets bool) string {
	var names []string
	for _, p := range v.parts() {
		if (p.secret != nil) == secrets {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// SecretNames returns the names of a type's secrets, those that are required first;
// none for TypeCustom, which has any.
func SecretNames(t Type) (required, optional []string) {
	return names(t, func(p part) bool { return p.secret != nil })
}

// TextNames returns the names of a type's other parts.
func TextNames(t Type) (required, optional []string) {
	return names(t, func(p part) bool { return p.text != nil })
}

func names(t Type, want func(part) bool) (required, optional []string) {
	value := newValue(t)
	if value == nil {
		return nil, nil
	}
	for _, p := range value.parts() {
		switch {
		case !want(p):
		case p.required:
			required = append(required, p.name)
		default:
			optional = append(optional, p.name)
		}
	}
	return required, optional
}

// validate says what is wrong with a value, naming the part and never its content.
func validate(v Value) error {
	parts := v.parts()
	if custom, ok := v.(*Custom); ok {
		if n := len(custom.Fields); n < 1 || n > MaxFields {
			return errorf(InvalidInput, "a credential of type custom has from 1 to %d parts, not %d", MaxFields, n)
		}
		for name := range custom.Fields {
			if !isPartName(name) {
				return errorf(InvalidInput, "the name of a part has 1 to 64 letters, digits, '_', '-' and '.', and begins with a letter")
			}
		}
	}
	for _, p := range parts {
		if err := p.validate(v.Type()); err != nil {
			return err
		}
	}
	if oidc, ok := v.(*OIDC); ok && oidc.ClientSecret.IsZero() && oidc.RefreshToken.IsZero() {
		return errorf(InvalidInput, "a credential of type oidc needs clientSecret or refreshToken")
	}
	return nil
}

func (p part) validate(t Type) error {
	var size int
	var valid bool
	if p.secret != nil {
		b := p.secret.Bytes()
		size, valid = len(b), utf8.Valid(b)
	} else {
		size, valid = len(*p.text), utf8.ValidString(*p.text)
	}
	switch {
	case size == 0 && p.required:
		return errorf(InvalidInput, "a credential of type %s needs %s", t, p.name)
	case size > MaxField:
		return errorf(InvalidInput, "the part %s has %d bytes: want at most %d", p.name, size, MaxField)
	case !valid:
		return errorf(InvalidInput, "the part %s is not UTF-8: encode binary values, in base64 for example", p.name)
	case size == 0 || p.text == nil:
		return nil
	case strings.ContainsFunc(*p.text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errorf(InvalidInput, "the part %s holds a control character", p.name)
	case p.wrong != nil:
		if wrong := p.wrong(*p.text); wrong != "" {
			return errorf(InvalidInput, "the part %s %s", p.name, wrong)
		}
	}
	return nil
}

func isPartName(s string) bool {
	if s == "" || len(s) > 64 || !isLetter(rune(s[0])) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !isLetter(r) && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func wrongUsername(s string) string {
	if strings.Contains(s, ":") {
		return "holds a colon, which separates it from the password (RFC 7617)"
	}
	return ""
}

// wrongHeader checks a field name (RFC 9110, section 5.1).
func wrongHeader(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !isLetter(r) && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) {
		return "is not the name of an HTTP header"
	}
	return ""
}

func wrongEndpoint(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "is not an http or https URL"
	}
	if u.User != nil {
		return "holds a user or a password, which are parts of their own"
	}
	return ""
}

func wrongIssuer(s string) string {
	if wrong := wrongEndpoint(s); wrong != "" {
		return wrong
	}
	u, _ := url.Parse(s) // it was checked
	host := u.Hostname()
	switch {
	case u.RawQuery != "" || u.Fragment != "":
		return "is a URL without query and fragment (OpenID Connect Discovery 1.0, section 2)"
	case u.Scheme == "http" && host != "localhost" && host != "127.0.0.1" && host != "::1":
		return "is an https URL, or http of this machine alone"
	}
	return ""
}
