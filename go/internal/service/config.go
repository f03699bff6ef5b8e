package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/call"
)

// ConfigService gives nodes their configuration, wherever it is kept: in the same
// process, or behind a Client. Its methods are safe for concurrent use. Errors are
// *call.Error.
type ConfigService interface {
	// Read returns the configuration that holds now.
	Read(ctx context.Context) (Document, error)
	// Next waits until the configuration is another one than that of a version, and
	// returns it; with "" it returns at once.
	Next(ctx context.Context, version string) (Document, error)
}

// Document is a configuration as it is kept.
type Document struct {
	Text    []byte `cbor:"1,keyasint"` // TOML, as package config reads it
	Version string `cbor:"2,keyasint"` // differs where the text does
}

// maxDocument bounds a configuration, in bytes.
const maxDocument = 4 << 20

// ConfigFile is the ConfigService of a file. It looks at the file when it is asked to
// by Reload, not by itself.
type ConfigFile struct {
	path string

	mu      sync.Mutex
	current Document
	changed chan struct{} // closed with each change
}

// OpenConfigFile reads the file.
func OpenConfigFile(path string) (*ConfigFile, error) {
	f := &ConfigFile{path: path, changed: make(chan struct{})}
	if _, err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the file again, and reports whether it has changed. On an error the
// configuration stays as it was.
func (f *ConfigFile) Reload() (changed bool, err error) {
	text, err := atomicfile.ReadText(f.path, maxDocument, atomicfile.Deciding)
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(text)
	next := Document{text, hex.EncodeToString(sum[:])}
	f.mu.Lock()
	defer f.mu.Unlock()
	if next.Version == f.current.Version {
		return false, nil
	}
	f.current = next
	close(f.changed)
	f.changed = make(chan struct{})
	return true, nil
}

// Read implements ConfigService.
func (f *ConfigFile) Read(context.Context) (Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current, nil
}

// Next implements ConfigService.
func (f *ConfigFile) Next(ctx context.Context, version string) (Document, error) {
	for {
		f.mu.Lock()
		current, changed := f.current, f.changed
		f.mu.Unlock()
		if current.Version != version {
			return current, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Document{}, call.Errorf(call.CodeOf(ctx.Err()), "waiting for another configuration: %w", ctx.Err())
		}
	}
}

// The operations of ConfigService.
const (
	opRead = "config.read"
	opNext = "config.next"
)

// serveConfig answers a request with a ConfigService of this process.
func serveConfig(ctx context.Context, s ConfigService, r *incoming, body requestBody) error {
	var document Document
	var err error
	switch body.Operation {
	case opRead:
		document, err = s.Read(ctx)
	case opNext:
		var version string
		if err := decodeInput(body, &version); err != nil {
			return err
		}
		document, err = s.Next(ctx, version)
	default:
		return call.Errorf(call.NotFound, "there is no %.80q in this service", body.Operation)
	}
	if err != nil {
		return err
	}
	return r.answer(document)
}

// remoteConfig is the ConfigService of a Client.
type remoteConfig struct{ client *Client }

// Config returns the service's ConfigService. It outlives a loss of the connection.
func (c *Client) Config() ConfigService { return remoteConfig{c} }

func (s remoteConfig) Read(ctx context.Context) (document Document, err error) {
	err = s.client.ask(ctx, opRead, nil, &document)
	return document, err
}

func (s remoteConfig) Next(ctx context.Context, version string) (document Document, err error) {
	err = s.client.ask(ctx, opNext, version, &document)
	return document, err
}
