package node

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/audit"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/trace"
)

// ServerConfig configures a server. Its HeadConfig needs Key and Registry; what the
// configuration says is filled in.
type ServerConfig struct {
	HeadConfig
	// Load reads the configuration: once to start, and again for each reload.
	Load func() (*config.Config, error)
	// Grants, if set, gives authorized keys beside those of the configuration, each time
	// that it is loaded. An error is one of the configuration.
	Grants func() ([]auth.Grant, error)
	// Refused, if set, is called when a reload has failed: what was given for that reload
	// alone is forgotten, and Load and Grants are asked again what the files do not grant.
	Refused func()
	// Home is the state folder, whose files are used where the configuration names
	// none; "" for none.
	Home string
	// Version is what /node/info tells of the software.
	Version string
	// Level, if set, follows log.level.
	Level *slog.LevelVar
	// Audit is where the server records who did what: it opens the file that the
	// configuration names, and the caller closes it after Shutdown. nil has the server
	// keep one of its own.
	Audit *audit.Log
}

// Server is a head that follows a configuration. Its methods are safe for concurrent
// use.
type Server struct {
	*Head
	cfg      ServerConfig
	tells    *telemetry
	ownAudit bool
	replays  auth.ReplayWindow
	accepted atomic.Pointer[auth.Credentials]

	finishing sync.Once

	first *config.Config // what the keys that need a restart are from

	mu      sync.Mutex // one reload at a time
	current *config.Config
	files   keyFiles // as they were last read
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
	s := &Server{cfg: cfg, first: loaded, current: loaded, files: keyFiles{}}
	if err := Check(loaded, cfg.Home); err != nil {
		return nil, err
	}
	policy, credentials, err := s.policyOf(loaded)
	if err != nil {
		return nil, err
	}
	s.accepted.Store(&credentials)
	if err := s.observe(loaded); err != nil {
		return nil, err
	}
	head := s.cfg.HeadConfig
	if head.Certificate, err = loadCertificate(loaded); err != nil {
		return nil, s.abandon(err)
	}
	head.Listen = nil
	for _, listener := range loaded.Listeners {
		head.Listen = append(head.Listen, listener.Address)
	}
	head.Provider, head.AllowAnonymous, head.Admission = policy.Provider, policy.AllowAnonymous, policy.Admission
	head.Limits, head.Drain, head.Access = policy.Limits, policy.Drain, policy.Access
	s.apply(loaded)
	if err := s.addOperations(loaded.Node.Name); err != nil {
		return nil, s.abandon(err)
	}
	if s.Head, err = Serve(ctx, head); err != nil {
		return nil, s.abandon(err)
	}
	s.tells.follow(s.Head)
	for _, warning := range loaded.Warnings() {
		s.Head.cfg.Logger.Warn("configuration", "warning", warning.Error())
	}
	return s, nil
}

// policyOf makes what the head decides by from a configuration.
func (s *Server) policyOf(cfg *config.Config) (Policy, auth.Credentials, error) {
	var more []auth.Grant
	if s.cfg.Grants != nil {
		var err error
		if more, err = s.cfg.Grants(); err != nil {
			return Policy{}, auth.Credentials{}, err
		}
	}
	return newPolicy(cfg, s.cfg.Home, s.files, &s.replays, more)
}

// observe prepares what the server tells of itself.
func (s *Server) observe(cfg *config.Config) error {
	id, ok := s.cfg.Key.Public().(ed25519.PublicKey)
	if !ok {
		return errNotEd25519
	}
	if s.cfg.Logger == nil {
		s.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if s.cfg.Audit == nil {
		s.cfg.Audit, s.ownAudit = &audit.Log{}, true
	}
	s.cfg.Audit.OnError = func(lost uint64, err error) {
		s.cfg.Logger.Error("events could not be written to the audit file", "events", lost, "error", err)
	}
	if err := s.openAudit(cfg); err != nil {
		return err
	}
	var tracer *trace.Tracer
	if cfg.Traces.Endpoint != "" {
		var err error
		if tracer, err = trace.New(trace.Config{
			Endpoint: cfg.Traces.Endpoint, Headers: cfg.Traces.Headers, Ratio: cfg.Traces.Ratio,
			Node: principal.EndpointID(id), Version: s.cfg.Version, Logger: s.cfg.Logger,
		}); err != nil {
			return config.Errors{cfg.Errorf("traces", "%w", err)}
		}
	}
	s.tells = newTelemetry(s.cfg.Version, s.cfg.Audit, tracer)
	s.tells.reloaded.Store(time.Now().Unix())
	s.cfg.Registry.SetObserver(s.tells)
	s.cfg.OnReject, s.cfg.OnTurnedAway, s.cfg.OnNode = s.tells.onReject, s.tells.onTurnedAway, s.tells.onNode
	told := s.cfg.OnSession
	s.cfg.OnSession = func(session *Session) {
		s.tells.opened.With(session.Transport).Add(1)
		if told != nil {
			told(session)
		}
	}
	return nil
}

// openAudit goes on in the audit file that the configuration names.
func (s *Server) openAudit(cfg *config.Config) error {
	if err := s.cfg.Audit.Reopen(cfg.Audit.File); err != nil {
		return config.Errors{cfg.Errorf("audit.file", "%w", err)}
	}
	return nil
}

// abandon gives up what observe has prepared.
func (s *Server) abandon(err error) error {
	s.finish(context.Background())
	return err
}

// finish sends the last spans, until ctx ends, and ends the record.
func (s *Server) finish(ctx context.Context) {
	s.finishing.Do(func() {
		if s.tells.tracer != nil {
			ctx, cancel := context.WithTimeout(ctx, lastSpans)
			defer cancel()
			s.tells.tracer.Close(ctx)
		}
		if s.ownAudit {
			_ = s.cfg.Audit.Close()
		}
	})
}

// lastSpans is how long the end may take for the collector's sake.
const lastSpans = 2 * time.Second

// Shutdown is Head.Shutdown, and ends what the server tells of itself.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.Head.Shutdown(ctx)
	s.finish(ctx)
	return err
}

// Close is Head.Close, and ends what the server tells of itself.
func (s *Server) Close() error {
	err := s.Head.Close()
	s.finish(context.Background())
	return err
}

// Metrics returns the server's figures in Prometheus' text format.
func (s *Server) Metrics() string { return string(s.tells.set.AppendText(nil)) }

// apply does what a policy does not.
func (s *Server) apply(cfg *config.Config) {
	if s.cfg.Level != nil {
		var level slog.Level
		_ = level.UnmarshalText([]byte(cfg.Log.Level)) // one of four names, which it knows
		s.cfg.Level.Set(level)
	}
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
// config.Errors where the configuration is wrong, has granted nothing and changed
// nothing, but for what the new files do not grant any more: that is revoked.
func (s *Server) Reload() (Reloaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.reload()
	s.tells.onReload(done, err)
	return done, err
}

func (s *Server) reload() (Reloaded, error) {
	log := s.Head.cfg.Logger
	next, err := s.cfg.Load()
	if err == nil {
		err = Check(next, s.cfg.Home)
	}
	var policy Policy
	var credentials auth.Credentials
	if err == nil {
		policy, credentials, err = s.policyOf(next)
	}
	if err == nil {
		err = s.openAudit(next)
	}
	if err != nil {
		for _, e := range each(err) {
			log.Error("the configuration stays as it was", "error", e.Error())
		}
		if s.cfg.Refused != nil {
			s.cfg.Refused()
			next, _ = s.cfg.Load()
		}
		if ended := s.restrict(next); ended > 0 {
			log.Warn("what the new files do not grant was revoked", "ended", ended)
		}
		return Reloaded{}, err
	}
	done := Reloaded{Keys: len(credentials.Grants), APIKeys: len(credentials.APIKeys)}
	done.Changed, _ = config.Changes(s.current, next)
	_, done.Restart = config.Changes(s.first, next)
	if done.Ended, err = s.SetPolicy(policy); err != nil {
		return Reloaded{}, err // Check has found the rules good
	}
	s.apply(next)
	s.accepted.Store(&credentials)
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
