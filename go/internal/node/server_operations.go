package node

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
	"github.com/alkdev/alknet/go/internal/principal"
)

// ScopeAdmin lets its holder reload a node and read its metrics.
const ScopeAdmin = "admin"

// ConfigInvalid is the code of a reload that was refused; its details list what is
// wrong, each with file, line, column and key.
const ConfigInvalid call.Code = "CONFIG_INVALID"

// addOperations registers what every server offers.
func (s *Server) addOperations(name string) error {
	id, ok := s.cfg.Key.Public().(ed25519.PublicKey)
	if !ok {
		return errNotEd25519
	}
	if err := AddBuiltins(s.cfg.Registry, Info{Name: name, Version: s.cfg.Version, EndpointID: principal.EndpointID(id), Started: time.Now().UTC()}); err != nil {
		return err
	}
	if err := s.cfg.Registry.Handle(call.OperationSpec{
		Name: "/node/metrics", Type: call.TypeQuery, Description: "The node's figures, as text that Prometheus reads",
		InputSchema:   json.RawMessage(`{"type":["object","null"],"additionalProperties":false}`),
		OutputSchema:  json.RawMessage(`{"type":"string"}`),
		AccessControl: call.AccessControl{RequiredScopes: []string{ScopeAdmin}},
	}, func(context.Context, *call.Request) (any, error) { return s.Metrics(), nil }); err != nil {
		return err
	}
	return s.cfg.Registry.Handle(call.OperationSpec{
		Name: "/head/config/reload", Type: call.TypeMutation, Description: "Reads the configuration again",
		InputSchema:   json.RawMessage(`{"type":["object","null"],"additionalProperties":false}`),
		ErrorSchemas:  map[string]json.RawMessage{string(ConfigInvalid): json.RawMessage(reloadErrors)},
		AccessControl: call.AccessControl{RequiredScopes: []string{ScopeAdmin}},
	}, s.handleReload)
}

const reloadErrors = `{"type":"object","properties":{"errors":{"type":"array","items":{"type":"object","required":["message"],"properties":{
	"file":{"type":"string"},"line":{"type":"integer"},"column":{"type":"integer"},"source":{"type":"string"},"key":{"type":"string"},
	"message":{"type":"string"},"suggestion":{"type":"string"}}}}}}`

func (s *Server) handleReload(context.Context, *call.Request) (any, error) {
	done, err := s.Reload()
	if err == nil {
		return done, nil
	}
	wrong, ok := config.AsErrors(err)
	if !ok {
		return nil, call.Errorf(call.Unavailable, "the configuration could not be read: %w", err)
	}
	refused := call.Errorf(ConfigInvalid, "the configuration stays as it was: %w", wrong[0])
	refused.Details, err = json.Marshal(map[string]any{"errors": wrong})
	if err != nil {
		return nil, err
	}
	return nil, refused
}
