package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/secret"
)

// credentialAddCmd has a flag for each part that is no secret. Secrets come from the
// terminal, a descriptor or a file.
type credentialAddCmd struct {
	Service     string   `arg:"" help:"The name that handlers know it by: 1 to 64 of a-z, 0-9, '.', '-' and '_', such as github."`
	Type        string   `help:"apiKey, basic, bearer, s3, oidc or custom." enum:"apiKey,basic,bearer,s3,oidc,custom" required:"" placeholder:"TYPE"`
	Username    string   `help:"Of basic: the name that goes with the password."`
	Header      string   `help:"Of apiKey: the HTTP header that takes it (default X-API-Key)."`
	AccessKeyID string   `name:"access-key-id" help:"Of s3: the access key's name." placeholder:"ID"`
	Region      string   `help:"Of s3."`
	Endpoint    string   `help:"Of s3: the URL, where it is not the provider's own." placeholder:"URL"`
	Issuer      string   `help:"Of oidc: the issuer's https URL." placeholder:"URL"`
	ClientID    string   `name:"client-id" help:"Of oidc." placeholder:"ID"`
	Scope       string   `help:"Of oidc: scopes, with spaces between them." placeholder:"SCOPES"`
	Ask         []string `help:"Ask for this secret, too: one that the type does not require, such as sessionToken, or any part of custom." placeholder:"SECRET"`
	SecretFile  []string `help:"Read a secret from this file, which only its owner may read; SECRET= can be left out where there is one. May be given more than once." placeholder:"SECRET=FILE" sep:"none"`
	SecretFD    []string `name:"secret-fd" help:"Read a secret from this file descriptor; 0 is stdin." placeholder:"SECRET=N" sep:"none"`
	Replace     bool     `help:"Put it in the place of the one that there is."`
	JSON        bool     `help:"Print JSON."`
	credentialDirectory
	unlockFlags
}

func (c *credentialAddCmd) Run(a *app) error {
	if err := credential.CheckService(c.Service); err != nil {
		return misused(err)
	}
	texts, err := c.texts()
	if err != nil {
		return err
	}
	sources, err := c.sources()
	if err != nil {
		return err
	}
	// What is wrong with the other parts is told before anything is asked.
	var all []*secretSource
	stand := map[string][]byte{}
	for _, s := range sources {
		all = append(all, s.secretSource)
		stand[s.part] = []byte("x")
	}
	if _, err := credential.Build(credential.Type(c.Type), texts, stand); err != nil {
		return misused(err)
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: true}, all...)
	if err != nil {
		return err
	}
	defer store.Close()
	secrets := map[string][]byte{}
	defer func() {
		for _, value := range secrets {
			clear(value)
		}
	}()
	for _, s := range sources {
		if secrets[s.part], err = s.read(a); err != nil {
			return fmt.Errorf("%s: %w", s.part, err)
		}
	}
	value, err := credential.Build(credential.Type(c.Type), texts, secrets)
	if err != nil {
		return err
	}
	d, err := c.open(a, credential.StoreSealer(store))
	if err != nil {
		return err
	}
	info, err := d.Add(a.ctx, c.Service, value, c.Replace)
	if credential.CodeOf(err) == credential.Conflict {
		return fmt.Errorf("%w (--replace)", err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(info)
	}
	_, err = fmt.Fprintf(a.stdout, "the credential of %s, of type %s, was sealed in %s\n", info.Service, info.Type, d.Path())
	return err
}

// texts are the parts that are no secrets. A flag of another type's is a mistake.
func (c *credentialAddCmd) texts() (map[string]string, error) {
	required, optional := credential.TextNames(credential.Type(c.Type))
	texts := map[string]string{}
	for _, flag := range []struct{ flag, part, value string }{
		{"username", "username", c.Username}, {"header", "header", c.Header}, {"access-key-id", "accessKeyId", c.AccessKeyID}, {"region", "region", c.Region},
		{"endpoint", "endpoint", c.Endpoint}, {"issuer", "issuer", c.Issuer}, {"client-id", "clientId", c.ClientID}, {"scope", "scope", c.Scope},
	} {
		switch {
		case flag.value != "" && !slices.Contains(required, flag.part) && !slices.Contains(optional, flag.part):
			return nil, usagef("--%s does not go with --type %s", flag.flag, c.Type)
		case flag.value == "" && slices.Contains(required, flag.part):
			return nil, usagef("--type %s needs --%s", c.Type, flag.flag)
		case flag.value != "":
			texts[flag.part] = flag.value
		}
	}
	return texts, nil
}

// partSource is where one secret comes from.
type partSource struct {
	part string
	*secretSource
}

// sources says where each secret comes from: what no flag names and is required is
// asked for. Errors do not repeat what stands after "=": it may be the secret.
func (c *credentialAddCmd) sources() ([]partSource, error) {
	required, optional := credential.SecretNames(credential.Type(c.Type))
	known := append(slices.Clone(required), optional...)
	var found []partSource
	add := func(part string, ask bool, fd *int, path string) error {
		switch {
		case c.Type != string(credential.TypeCustom) && !slices.Contains(known, part):
			return usagef("--type %s has no such secret: it has %s", c.Type, strings.Join(known, ", "))
		case slices.ContainsFunc(found, func(s partSource) bool { return s.part == part }):
			return usagef("%s can come from one place", part)
		}
		source, err := newSecretSource("secret", part+": ", ask, fd, path)
		if err != nil {
			return err
		}
		source.limit = credential.MaxField + 2 // with a line end
		found = append(found, partSource{part, source})
		return nil
	}
	split := func(flag, text string) (part, rest string, err error) {
		part, rest, ok := strings.Cut(text, "=")
		switch {
		case ok && part != "" && rest != "":
			return part, rest, nil
		case !ok && len(required) == 1:
			return required[0], text, nil
		}
		return "", "", usagef("--%s: say which secret it is, as in --%[1]s %s=…", flag, append(known, "name")[0])
	}
	for _, text := range c.SecretFile {
		part, path, err := split("secret-file", text)
		if err != nil {
			return nil, err
		}
		if err := add(part, false, nil, path); err != nil {
			return nil, err
		}
	}
	for _, text := range c.SecretFD {
		part, number, err := split("secret-fd", text)
		if err != nil {
			return nil, err
		}
		fd, err := strconv.Atoi(number)
		if err != nil {
			return nil, usagef("--secret-fd takes the number of a descriptor")
		}
		if err := add(part, false, &fd, ""); err != nil {
			return nil, err
		}
	}
	for _, part := range c.Ask {
		if err := add(part, true, nil, ""); err != nil {
			return nil, err
		}
	}
	for _, part := range required {
		if !slices.ContainsFunc(found, func(s partSource) bool { return s.part == part }) {
			if err := add(part, true, nil, ""); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case len(found) == 0 && c.Type == string(credential.TypeOIDC):
		return nil, usagef("--type oidc needs clientSecret or refreshToken: say --ask clientSecret, or where it is")
	case len(found) == 0:
		return nil, usagef("--type %s needs at least one part: say --ask NAME, or where it is", c.Type)
	}
	return found, nil
}
