package node

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/call"
	"github.com/alkdev/alknet/go/config"
)

// ServerConfig configures a server. Its HeadConfig needs Key and Registry; what the
// configuration says is filled in.
type ServerConfig struct {
	HeadConfig
	// Load reads the configuration: once to start, and again for each reload.
	Load func() (*config.Config, error)
	// Home is the state folder, whose files are used where the configuration names
	// none; "" for none.
	Home string
	// Version is what /node/info tells of the software.
	Version string
	// Level, if set, follows log.level.
	Level *slog.LevelVar
}

// Server is a head that follows a configuration. Its methods are safe for concurrent
// use.
type Server struct {
	*Head
	cfg      ServerConfig
	replays  auth.ReplayWindow
	accepted atomic.Pointer[auth.Credentials]

	first *config.Config // what the keys that need a restart are from

	mu      sync.Mutex // one reload at a time
	current *config.Config
}

// Reloaded is what a reload has done.
type Reloaded struct {
	// Changed are the keys whose values differ from before; the contents of files that
	// the configuration names are not compared.
	Changed []string `json:"changed"`
	// Restart are the keys that differ from what the node was started with, and wait
	// for the next start.
	Restart []string `json:"restart"`
	// Keys and APIKeys are how many are authorized now.
	Keys    int `json:"keys"`
	APIKeys int `json:"apiKeys"`
	// Ended is how many sessions were ended because their credential is not accepted
	// any more.
	Ended int `json:"ended"`
}

// Start reads the configuration and serves it. What is wrong with it comes back as
// config.Errors. ctx bounds the start only.
func Start(ctx context.Context, cfg ServerConfig) (*Server, error) {
	loaded, err := cfg.Load()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, first: loaded, current: loaded}
	if err := Check(loaded, cfg.Home); err != nil {
		return nil, err
	}
	policy, credentials, err := NewPolicy(loaded, cfg.Home, &s.replays)
	if err != nil {
		return nil, err
	}
	s.accepted.Store(&credentials)
	head := cfg.HeadConfig
	if head.Certificate, err = loadCertificate(loaded); err != nil {
		return nil, err
	}
	head.Listen = nil
	for _, listener := range loaded.Listeners {
		head.Listen = append(head.Listen, listener.Address)
	}
	head.Provider, head.AllowAnonymous, head.Admission = policy.Provider, policy.AllowAnonymous, policy.Admission
	head.Limits, head.Drain = policy.Limits, policy.Drain
	if err := s.apply(loaded); err != nil {
		return nil, err
	}
	if err := s.addOperations(loaded.Node.Name); err != nil {
		return nil, err
	}
	if s.Head, err = Serve(ctx, head); err != nil {
		return nil, err
	}
	for _, warning := range loaded.Warnings() {
		s.Head.cfg.Logger.Warn("configuration", "warning", warning.Error())
	}
	return s, nil
}

// apply does what a policy does not.
func (s *Server) apply(cfg *config.Config) error {
	rules := make([]call.AccessRule, len(cfg.Access))
	for i, rule := range cfg.Access {
		rules[i] = call.AccessRule{Path: rule.Path, Scopes: rule.Scopes}
	}
	if err := s.cfg.Registry.SetAccessRules(rules); err != nil { // Check has looked at them
		return err
	}
	if s.cfg.Level != nil {
		var level slog.Level
		_ = level.UnmarshalText([]byte(cfg.Log.Level)) // one of four names, which it knows
		s.cfg.Level.Set(level)
	}
	return nil
}

// Config returns the configuration that is in force, apart from keys that wait for a
// restart.
func (s *Server) Config() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Credentials returns what is accepted now.
func (s *Server) Credentials() auth.Credentials { return *s.accepted.Load() }

// Reload reads the configuration again, with the files that it names, and puts all
// of it that can change in the place of the present one. An error, which is of type
// config.Errors where the configuration is wrong, has changed nothing.
func (s *Server) Reload() (Reloaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.Head.cfg.Logger
	next, err := s.cfg.Load()
	if err == nil {
		err = Check(next, s.cfg.Home)
	}
	var policy Policy
	var credentials auth.Credentials
	if err == nil {
		policy, credentials, err = NewPolicy(next, s.cfg.Home, &s.replays)
	}
	if err != nil {
		for _, e := range each(err) {
			log.Error("the configuration stays as it was", "error", e.Error())
		}
		return Reloaded{}, err
	}
	done := Reloaded{Keys: len(credentials.Grants), APIKeys: len(credentials.APIKeys)}
	done.Changed, _ = config.Changes(s.current, next)
	_, done.Restart = config.Changes(s.first, next)
	if err := s.apply(next); err != nil {
		return Reloaded{}, err
	}
	s.accepted.Store(&credentials)
	done.Ended = s.SetPolicy(policy)
	s.current = next
	for _, warning := range next.Warnings() {
		log.Warn("configuration", "warning", warning.Error())
	}
	log.Info("configuration read again", "changed", done.Changed, "restart", done.Restart, "keys", done.Keys, "api_keys", done.APIKeys, "ended", done.Ended)
	return done, nil
}

// each gives the errors of a configuration one by one.
func each(err error) []error {
	if all, ok := config.AsErrors(err); ok {
		return all.Unwrap()
	}
	return []error{err}
}
