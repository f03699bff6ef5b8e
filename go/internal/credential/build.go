package credential

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

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
