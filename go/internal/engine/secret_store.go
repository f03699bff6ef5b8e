package engine

import (
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/wire"
	"github.com/alkdev/alknet/go/secret"
)

// storeOptions are those of secret.Options that JavaScript sets; times are in ms.
type storeOptions struct {
	RequireLockedMemory bool              `json:"requireLockedMemory"`
	NotExportable       bool              `json:"notExportable"`
	CacheSize           int               `json:"cacheSize"`
	CacheTTL            float64           `json:"cacheTtl"`
	IdleTimeout         float64           `json:"idleTimeout"`
	SealCounts          map[uint32]uint64 `json:"sealCounts"`
}

// newStore makes a store under a number that JavaScript has chosen.
func newStore(e *Environment, t target, arguments, _ []byte) ([]byte, error) {
	var o storeOptions
	if err := read(arguments, &o); err != nil {
		return nil, err
	}
	number := t.number
	s := &store{number: number}
	s.Store = secret.NewStore(secret.Options{
		RequireLockedMemory: o.RequireLockedMemory, NotExportable: o.NotExportable, CacheSize: o.CacheSize,
		CacheTTL: milliseconds(o.CacheTTL), IdleTimeout: milliseconds(o.IdleTimeout), SealCounts: o.SealCounts,
		OnEvent: func(event secret.Event) {
			if !s.observed.Load() {
				return
			}
			if text, err := json.Marshal(event); err == nil {
				e.post(kindAudit, number, text)
			}
		},
		OnWarning: func(message string) { e.post(kindWarning, number, wire.AppendText(nil, message)) },
	})
	return nil, e.keyring.enter(func() { e.keyring.stores[number] = s })
}

// lock locks a store, and ends what uses it as its identity if that is wanted.
func lock(e *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a struct{ Disconnect bool }
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	s.locks.Add(1)
	s.Lock()
	if a.Disconnect {
		e.disconnect(s)
	}
	return nil, nil
}

func observe(_ *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var on bool
	if err := read(arguments, &on); err != nil {
		return nil, err
	}
	s.observed.Store(on)
	return nil, nil
}

// derive answers with the public key and, behind it, the path as it is written.
func derive(e *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a struct {
		Key  int64
		Path string
		Type secret.KeyType
	}
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	path, err := secret.ParsePath(a.Path)
	if err != nil {
		return nil, err
	}
	h, err := s.Derive(path, a.Type)
	if err != nil {
		return nil, err
	}
	if err := e.keyring.enter(func() { e.keyring.keys[a.Key] = &key{h, s} }); err != nil {
		return nil, err
	}
	return append(h.PublicKey(), h.Path().String()...), nil
}

func encrypt(_ *Environment, s *store, arguments, plaintext []byte) ([]byte, error) {
	var a struct{ Version uint32 }
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	sealed, err := s.Encrypt(plaintext, a.Version)
	if err != nil {
		return nil, err
	}
	return sealed.MarshalJSON()
}

func decrypt(_ *Environment, s *store, _, text []byte) ([]byte, error) {
	data, err := secret.ParseEncryptedData(text)
	if err != nil {
		return nil, err
	}
	return s.Decrypt(data)
}

func rotate(_ *Environment, s *store, arguments, text []byte) ([]byte, error) {
	var a struct{ Version uint32 }
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	data, err := secret.ParseEncryptedData(text)
	if err != nil {
		return nil, err
	}
	sealed, err := s.Rotate(data, a.Version)
	if err != nil {
		return nil, err
	}
	return sealed.MarshalJSON()
}

var charClasses = map[string]secret.CharClass{
	"lower": secret.Lower, "upper": secret.Upper, "digits": secret.Digits, "symbols": secret.Symbols,
}

func password(_ *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a struct {
		Site    string
		Length  int
		Classes []string
	}
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	policy := secret.PasswordPolicy{Length: a.Length}
	for _, name := range a.Classes {
		policy.Classes |= charClasses[name]
	}
	return s.Password(a.Site, policy)
}

func rawPassword(_ *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a struct {
		Site   string
		Length int
	}
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	return s.PasswordBytes(a.Site, a.Length)
}
