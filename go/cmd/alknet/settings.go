package main

import (
	"os"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/config"
)

// configFile is the configuration in the state folder.
const configFile = "alknet.toml"

// settings are the flags of a node's configuration. They are stronger than the
// environment, which is stronger than the file.
type settings struct {
	Config         string         `help:"Configuration file (default: alknet.toml in the state folder, if there is one), or the address of a service that has it, as alknet service prints it." env:"ALKNET_CONFIG" placeholder:"FILE"`
	Listen         []string       `help:"Address to listen on; may be given more than once (default 127.0.0.1:4433). A bare host:port is QUIC and TLS; tcp://, tls://, quic:// and unix:///path force one." placeholder:"ADDRESS"`
	Key            string         `help:"The node's key file (default: made in the state folder)." placeholder:"FILE"`
	AuthorizedKeys string         `help:"Who may connect (default: authorized_keys in the state folder)." placeholder:"FILE"`
	DefaultScopes  []string       `help:"Scopes of keys that have none of their own." placeholder:"SCOPE"`
	AllowAnonymous *bool          `help:"Let callers without an authorized key reach operations without requirements." negatable:""`
	Name           string         `help:"The node's name, as /node/info tells it."`
	Drain          *time.Duration `help:"How long a shutdown lets calls finish (default 5s)."`
	LogLevel       string         `help:"debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat      string         `help:"text or json." placeholder:"FORMAT"`
	Set            []string       `help:"Any key of the configuration, as in --set limits.connections_per_address=8; may be given more than once." placeholder:"KEY=VALUE" sep:"none"`
}

// sources are where the configuration comes from.
func (s *settings) sources(a *app) (config.Sources, error) {
	from := config.Sources{File: s.Config, Environ: os.Environ()}
	if from.File == "" {
		path, err := a.file(configFile)
		if err != nil {
			return from, err
		}
		from.File, from.Optional = path, true
	}
	add := func(key, value, flag string) {
		if value != "" {
			from.Flags = append(from.Flags, config.Setting{Key: key, Value: value, Source: flag})
		}
	}
	for _, assignment := range s.Set {
		key, value, ok := strings.Cut(assignment, "=")
		if !ok || key == "" {
			return from, usagef("--set %s: want KEY=VALUE, such as limits.connections_per_address=8", assignment)
		}
		from.Flags = append(from.Flags, config.Setting{Key: key, Value: value, Source: "--set"})
	}
	add("listen", strings.Join(s.Listen, ","), "--listen")
	add("node.key", s.Key, "--key")
	add("node.name", s.Name, "--name")
	add("auth.authorized_keys", s.AuthorizedKeys, "--authorized-keys")
	add("auth.default_scopes", strings.Join(s.DefaultScopes, ","), "--default-scopes")
	if s.AllowAnonymous != nil {
		add("auth.allow_anonymous", map[bool]string{true: "true", false: "false"}[*s.AllowAnonymous], "--allow-anonymous")
	}
	if s.Drain != nil {
		add("node.drain", s.Drain.String(), "--drain")
	}
	add("log.level", s.LogLevel, "--log-level")
	add("log.format", s.LogFormat, "--log-format")
	seen := map[string]bool{}
	for _, setting := range from.Flags {
		if seen[setting.Key] {
			return from, usagef("%s is set twice: only one of them would hold", setting.Key)
		}
		seen[setting.Key] = true
	}
	return from, nil
}
