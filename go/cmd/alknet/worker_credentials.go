package main

import (
	"crypto/ed25519"
	"log/slog"
	"slices"
	"strings"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/secret"
)

// workerCredentials are the flags of a worker whose programs sign in elsewhere.
type workerCredentials struct {
	Credential    []string `help:"Give a program of --exec the credential of a service, on a file descriptor of its own. May be given more than once." placeholder:"/NS/OP=SERVICE" sep:"none"`
	Credentials   string   `help:"Folder of the credentials (default: credentials in the state folder)." placeholder:"FOLDER"`
	SecretService string   `help:"Open the credentials with the store of another process, as alknet service prints its address, instead of a phrase." placeholder:"ADDRESS"`
	unlockFlags
}

// services returns the services of each operation.
func (c *workerCredentials) services() (map[string][]string, error) {
	services := map[string][]string{}
	for _, text := range c.Credential {
		operation, service, ok := strings.Cut(text, "=")
		if !ok || !strings.HasPrefix(operation, "/") {
			return nil, usagef("--credential: want /namespace/operation=service, such as /issues/list=github")
		}
		if err := credential.CheckService(service); err != nil {
			return nil, misused(err)
		}
		if !slices.Contains(services[operation], service) {
			services[operation] = append(services[operation], service)
		}
	}
	return services, nil
}

// open gives the registry its credentials, and returns what ends that.
func (c *workerCredentials) open(a *app, registry *call.Registry, key func() (ed25519.PrivateKey, error), logger *slog.Logger) (end func(), err error) {
	if len(c.Credential) == 0 {
		if c.given() || c.Credentials != "" || c.SecretService != "" {
			return nil, usagef("a phrase, --credentials and --secret-service go with --credential, which says what they are for")
		}
		return func() {}, nil
	}
	sealer, end, err := c.sealer(a, key, logger)
	if err != nil {
		return nil, err
	}
	d, err := a.handlerCredentials(c.Credentials, sealer, node.AuditCredentials(nil, logger))
	if err != nil {
		end()
		return nil, err
	}
	warnOfCredentials(a, d, logger)
	registry.SetCredentials(node.HandlerCredentials(d))
	return end, nil
}

func (c *workerCredentials) sealer(a *app, key func() (ed25519.PrivateKey, error), logger *slog.Logger) (credential.Sealer, func(), error) {
	if c.SecretService != "" {
		switch {
		case c.given():
			return nil, nil, usagef("choose one of --secret-service and a phrase")
		case !isService(c.SecretService):
			return nil, nil, usagef("--secret-service %s: want the address that alknet service prints", c.SecretService)
		}
		k, err := key()
		if err != nil {
			return nil, nil, err
		}
		remote, err := connectService(a.ctx, c.SecretService, k, logger)
		if err != nil {
			return nil, nil, err
		}
		return node.ServiceSealer(remote.Secrets()), func() { remote.Close() }, nil
	}
	store, err := c.unlock(a, false, secret.Options{NotExportable: true, OnEvent: func(e secret.Event) { logSecretEvent(logger, e) }})
	if err != nil {
		return nil, nil, err
	}
	return credential.StoreSealer(store), store.Close, nil
}
