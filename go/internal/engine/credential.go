package engine

import (
	"context"
	"encoding/json"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/secret"
)

// credentialArguments name a credential: what is secret of one comes as the input.
type credentialArguments struct {
	Directory string
	Service   string

	// To add one.
	Type    credential.Type
	Fields  map[string]string
	Secrets []secretLength // in the order in which they stand in the input
	Replace bool

	// The secret that is asked for.
	Name string
}

type secretLength struct {
	Name   string
	Length int
}

// directory is the folder of credentials that the arguments name, under a store.
func (a *credentialArguments) directory(s *store) *credential.Directory {
	return credential.NewDirectory(credential.Config{Path: a.Directory, Sealer: credential.StoreSealer(s.Store)})
}

func addCredential(_ *Environment, s *store, arguments, input []byte) ([]byte, error) {
	var a credentialArguments
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	secrets := map[string][]byte{}
	for _, part := range a.Secrets {
		if part.Length < 0 || part.Length > len(input) {
			return nil, call.Errorf(call.InvalidInput, "the arguments: the secrets are shorter than is said")
		}
		secrets[part.Name] = append(make([]byte, 0, part.Length), input[:part.Length]...)
		input = input[part.Length:]
	}
	value, err := credential.Build(a.Type, a.Fields, secrets) // takes them over
	if err != nil {
		return nil, err
	}
	defer value.Wipe()
	info, err := a.directory(s).Add(context.Background(), a.Service, value, a.Replace)
	if err != nil {
		return nil, err
	}
	return json.Marshal(info)
}

// getCredential answers with what is no secret, and with the sealed form for
// credentialSecret.
func getCredential(_ *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a credentialArguments
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	c, err := a.directory(s).Get(context.Background(), a.Service)
	if err != nil {
		return nil, err
	}
	sealed, _ := c.Sealed()
	return json.Marshal(struct {
		credential.Info
		Sealed secret.EncryptedData `json:"sealed"`
	}{c.Info(), sealed})
}

// credentialSecret opens one secret of a sealed form.
func credentialSecret(_ *Environment, s *store, arguments, sealed []byte) ([]byte, error) {
	var a credentialArguments
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	data, err := secret.ParseEncryptedData(sealed)
	if err != nil {
		return nil, err
	}
	c, err := a.directory(s).Unseal(context.Background(), a.Service, data)
	if err != nil {
		return nil, err
	}
	return c.Secret(context.Background(), a.Name)
}

// listedCredential is a credential in the answer to credentialList.
type listedCredential struct {
	Service    string           `json:"service"`
	Changed    time.Time        `json:"changed,omitzero"`
	KeyVersion uint32           `json:"keyVersion,omitempty"`
	Info       *credential.Info `json:"info,omitempty"`
	Error      *call.Error      `json:"error,omitempty"`
}

func listCredentials(_ *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a credentialArguments
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	entries, err := a.directory(s).List(context.Background())
	if err != nil {
		return nil, err
	}
	list := make([]listedCredential, len(entries))
	for i, e := range entries {
		list[i] = listedCredential{Service: e.Service, Changed: e.Changed, KeyVersion: e.KeyVersion, Info: e.Info}
		if e.Err != nil {
			list[i].Error = AsError(e.Err)
		}
	}
	return json.Marshal(list)
}

func removeCredential(_ *Environment, s *store, arguments, _ []byte) ([]byte, error) {
	var a credentialArguments
	if err := read(arguments, &a); err != nil {
		return nil, err
	}
	return nil, a.directory(s).Remove(context.Background(), a.Service)
}
