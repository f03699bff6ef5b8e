package engine

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/node"
)

// serveOptions are the options of serve, and those of reload that are given anew.
type serveOptions struct {
	keyOptions
	Config             json.RawMessage `json:"config"` // the configuration's structure
	ConfigPath         string          `json:"configPath"`
	Listen             []string        `json:"listen"`
	AuthorizedKeys     []string        `json:"authorizedKeys"` // lines
	AuthorizedKeysPath string          `json:"authorizedKeysPath"`
	DefaultScopes      []string        `json:"defaultScopes"`
	AllowAnonymous     *bool           `json:"allowAnonymous"`
	Name               *string         `json:"name"`
	Drain              *float64        `json:"drain"` // ms
	Limits             json.RawMessage `json:"limits"`
	Access             json.RawMessage `json:"access"`
}

// sources are where the configuration comes from: the file, then its structure, then
// the options that are short for a part of it.
func (o *serveOptions) sources() (config.Sources, error) {
	from := config.Sources{File: o.ConfigPath}
	if len(o.Config) > 0 {
		from.Options = append(from.Options, o.Config)
	}
	type object = map[string]any
	short, auth, own := object{}, object{}, object{}
	if len(o.Listen) > 0 {
		listeners := make([]object, len(o.Listen))
		for i, address := range o.Listen {
			listeners[i] = object{"address": address}
		}
		short["listeners"] = listeners
	}
	if o.AuthorizedKeysPath != "" {
		auth["authorizedKeys"] = o.AuthorizedKeysPath
	}
	if o.DefaultScopes != nil {
		auth["defaultScopes"] = o.DefaultScopes
	}
	if o.AllowAnonymous != nil {
		auth["allowAnonymous"] = *o.AllowAnonymous
	}
	switch {
	case o.Name != nil:
		own["name"] = *o.Name
	case o.ConfigPath == "" && len(o.Config) == 0:
		own["name"] = "" // a program's own node has the name that it gives it
	}
	if o.Drain != nil {
		own["drain"] = *o.Drain
	}
	if len(o.Limits) > 0 {
		short["limits"] = o.Limits
	}
	if len(o.Access) > 0 {
		short["access"] = o.Access
	}
	short["auth"], short["node"] = auth, own
	raw, err := json.Marshal(short)
	from.Options = append(from.Options, raw)
	return from, err
}

// grants reads the lines of the option authorizedKeys. Those that can be read come back
// beside an error.
func (o *serveOptions) grants() ([]auth.Grant, error) {
	var grants []auth.Grant
	var bad error
	seen := map[[32]byte]bool{}
	for i, line := range o.AuthorizedKeys {
		name := fmt.Sprintf("authorizedKeys[%d]", i)
		granted, err := auth.ParseAuthorizedKeys(name, []byte(line))
		for _, grant := range granted {
			if !grant.CertAuthority {
				if id := auth.KeyID(grant.Key); seen[id] {
					err = &auth.LineError{File: name, Line: 1, Err: errors.New("an earlier line grants this key already: a key has one line")}
				} else {
					seen[id] = true
				}
			}
			grants = append(grants, grant)
		}
		if bad == nil {
			bad = err
		}
	}
	return grants, bad
}

// serving are a server's options, which a reload may change.
type serving struct {
	reloading sync.Mutex // one at a time

	mu      sync.Mutex
	members map[string]json.RawMessage
	before  map[string]json.RawMessage // while a reload tries others
}

// options returns the present ones.
func (s *serving) options() (*serveOptions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(s.members)
	if err != nil {
		return nil, err
	}
	var o serveOptions
	return &o, json.Unmarshal(raw, &o)
}

// replace puts members in the place of those of the same names, until forget or keep.
func (s *serving) replace(members map[string]json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = s.members
	s.members = maps.Clone(s.before)
	maps.Copy(s.members, members)
}

// forget brings back the members that were replaced, since the reload has failed.
func (s *serving) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.members, s.before = s.before, nil
	}
}

// keep has the members that were replaced forgotten.
func (s *serving) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = nil
}

func (s *serving) load() (*config.Config, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	from, err := o.sources()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(from)
	if err != nil {
		return cfg, err // what is right in it is for revocations
	}
	if secrets := cfg.Secrets; secrets.Identity || secrets.Service != "" {
		return nil, cfg.Errorf("secrets", "these are of the binary's node: give this one the option identity, of a SecretStore")
	}
	return cfg, nil
}

func (s *serving) grants() ([]auth.Grant, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	return o.grants()
}

func (e *Environment) serve(ctx context.Context, n int64, ep *endpoint, text []byte, of named) error {
	var o serveOptions
	served := &serving{}
	err := json.Unmarshal(text, &o)
	if err == nil {
		err = json.Unmarshal(text, &served.members)
	}
	if err != nil {
		return call.Errorf(call.InvalidInput, "the options of serve: %w", err)
	}
	key, err := e.signer(ep, &o.keyOptions, of)
	of.wipe()
	if err != nil {
		return err
	}
	if key == nil {
		if key, err = e.keyOf(served); err != nil {
			return configError(err)
		}
	}
	server, err := node.Start(ctx, node.ServerConfig{
		HeadConfig: node.HeadConfig{
			Key: key, Registry: ep.registry, Agent: "alknet/" + Version, Logger: e.logger, AfterBatch: e.queue.wake,
			OnSession:       func(s *node.Session) { e.sessionOpened(n, s) },
			OnSessionClosed: func(s *node.Session) { e.sessionClosed(n, s) },
		},
		Load: served.load, Grants: served.grants, Refused: served.forget, Version: Version,
	})
	if err != nil {
		return configError(err)
	}
	if !e.keep(n, func() { ep.head, ep.served = server, served }) {
		_ = server.Close()
		return errClosed
	}
	payload, err := json.Marshal(map[string]any{"endpointId": server.EndpointID(), "fingerprint": server.Fingerprint(), "addresses": server.Addresses()})
	if err != nil {
		return err
	}
	e.post(kindOpened, n, payload)
	return nil
}

// keyOf reads the key that the configuration names, or makes one that lives as long
// as the server.
func (e *Environment) keyOf(served *serving) (crypto.Signer, error) {
	loaded, err := served.load()
	if err != nil {
		return nil, err
	}
	if loaded.Node.Key == "" {
		return auth.GenerateKey()
	}
	key, err := auth.LoadPrivateKey(loaded.Node.Key, nil)
	if err != nil {
		return nil, loaded.Errorf("node.key", "%w", err)
	}
	return key, nil
}

// configError gives what keeps a server from starting, or from reloading, its code.
func configError(err error) error {
	var line *auth.LineError
	wrong, ok := config.AsErrors(err)
	switch {
	case ok:
		e := call.Errorf(call.InvalidInput, "%w", wrong)
		e.Details, _ = json.Marshal(map[string]any{"errors": wrong}) // strings and numbers
		return e
	case errors.As(err, &line):
		return call.Errorf(call.InvalidInput, "%w", err)
	}
	return call.Errorf(call.Unavailable, "%w", err)
}

// reload reads a server's configuration again, with options that take the place of
// those that it was started with.
func (e *Environment) reload(n, req int64, text []byte) {
	fail := func(err error) {
		e.queue.add(kindError, req, AsError(err).AppendJSON)
		e.queue.wake()
	}
	e.mu.Lock()
	var server *node.Server
	var served *serving
	if ep := e.nodes[n]; ep != nil {
		server, served = ep.head, ep.served
	}
	e.mu.Unlock()
	var members map[string]json.RawMessage
	if len(text) > 0 {
		if err := json.Unmarshal(text, &members); err != nil {
			fail(call.Errorf(call.InvalidInput, "the options of reload: %w", err))
			return
		}
	}
	if server == nil {
		fail(call.Errorf(call.Unavailable, "the node is closed"))
		return
	}
	e.run(func() {
		served.reloading.Lock()
		defer served.reloading.Unlock()
		served.replace(members)
		done, err := server.Reload()
		if err != nil {
			served.forget()
			fail(configError(err))
			return
		}
		served.keep()
		output, err := json.Marshal(map[string]any{"output": done})
		if err != nil {
			fail(err)
			return
		}
		e.post(kindResponded, req, output)
	})
}
