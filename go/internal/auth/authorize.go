package auth

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// MaxKeysFile bounds a file of keys, in bytes: room for about 100,000.
const MaxKeysFile = 16 << 20

// AppendAuthorizedKey grants a key in an authorized_keys file, which is made if it
// is missing. A line that grants the same key already is replaced; added says
// whether there was none. The file is replaced as a whole, and keeps its owner, group
// and mode; a new one is readable by its owner alone. It stays as it was on an error,
// one in the file included.
func AppendAuthorizedKey(path string, grant Grant) (added bool, err error) {
	line, err := grant.line()
	if err != nil {
		return false, err
	}
	data, err := atomicfile.Read(path, MaxKeysFile, atomicfile.Deciding)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read the authorized keys: %w", err)
	}
	if _, err := ParseAuthorizedKeys(path, data); err != nil {
		return false, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var out bytes.Buffer
	added = true
	for old := range bytes.Lines(data) {
		text := bytes.TrimSpace(old)
		if len(text) > 0 && text[0] != '#' {
			if known, err := parseGrant(text); err == nil && known.CertAuthority == grant.CertAuthority && subtle.ConstantTimeCompare(known.Key, grant.Key) == 1 && bytes.Equal(known.Authority, grant.Authority) {
				if added {
					out.WriteString(line + "\n")
				}
				added = false
				continue
			}
		}
		out.Write(bytes.TrimSuffix(old, []byte("\n")))
		out.WriteByte('\n')
	}
	if added {
		out.WriteString(line + "\n")
	}
	if err := atomicfile.Replace(path, out.Bytes()); err != nil {
		return false, fmt.Errorf("write the authorized keys: %w", err)
	}
	return added, nil
}

// line gives the grant as a line of authorized_keys.
func (g *Grant) line() (string, error) {
	var options []string
	if g.CertAuthority {
		options = append(options, "cert-authority")
	}
	add := func(name string, values []string) error {
		for _, v := range values {
			if v == "" || strings.ContainsAny(v, ",\"\\") || strings.TrimSpace(v) != v || strings.ContainsFunc(v, unprintable) {
				return fmt.Errorf("%s: %q: want a printable name without commas, quotes and spaces around it", name, v)
			}
		}
		options = append(options, fmt.Sprintf(`%s="%s"`, name, strings.Join(values, ",")))
		return nil
	}
	if len(g.Principals) > 0 {
		if err := add("principals", g.Principals); err != nil {
			return "", err
		}
	}
	if g.Scopes != nil {
		if err := add("scopes", g.Scopes); err != nil {
			return "", err
		}
	}
	var resources []string
	for _, kind := range slices.Sorted(maps.Keys(g.Resources)) {
		for _, id := range g.Resources[kind] {
			resources = append(resources, kind+"="+id)
		}
	}
	if len(resources) > 0 {
		if err := add("resources", resources); err != nil {
			return "", err
		}
	}
	if len(g.From) > 0 {
		var from []string
		for _, prefix := range g.From {
			from = append(from, prefix.String())
		}
		for _, prefix := range g.NotFrom {
			from = append(from, "!"+prefix.String())
		}
		if err := add("from", from); err != nil {
			return "", err
		}
	}
	if !g.Expires.IsZero() {
		options = append(options, fmt.Sprintf(`expiry-time="%s"`, g.Expires.UTC().Format("20060102150405Z")))
	}
	if g.NoForwarding {
		options = append(options, "no-port-forwarding")
	}
	if err := CheckComment(g.Comment); err != nil {
		return "", err
	}
	line := MarshalPublicKey(g.Key, g.Comment)
	if g.Authority != nil {
		public, err := ssh.ParsePublicKey(g.Authority)
		if err != nil {
			return "", errors.New("the authority's key cannot be read")
		}
		line = publicKeyLine(public, g.Comment)
	}
	if len(options) > 0 {
		line = strings.Join(options, ",") + " " + line
	}
	return line, nil
}
