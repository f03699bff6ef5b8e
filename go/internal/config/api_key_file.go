package config

import (
	"bytes"
	"fmt"
)

// apiKeyFile is the file that `alknet apikey` keeps: the same tables as
// [[auth.api_keys]], in a file of its own, because a program must not write a file
// that people edit.
type apiKeyFile struct {
	APIKeys []APIKey `toml:"api_keys"`
}

// ParseAPIKeys reads a file of API keys. What is wrong comes back as Errors.
func ParseAPIKeys(file string, data []byte) ([]APIKey, error) {
	var content apiKeyFile
	origins, err := decode(file, data, keyFileStructure(), &content)
	if err != nil {
		return nil, err
	}
	v := validation{config: &Config{origins: origins}}
	for i, key := range content.APIKeys {
		for name, value := range map[string]string{"prefix": key.Prefix, "sha256": key.SHA256} {
			if value == "" {
				v.fail(fmt.Sprintf("api_keys[%d].%s", i, name), "this key is required")
			}
		}
	}
	v.apiKeys("api_keys", content.APIKeys)
	if err := v.errors.sorted(); err != nil {
		return nil, err
	}
	return content.APIKeys, nil
}

// FormatAPIKeys gives the file that ParseAPIKeys reads.
func FormatAPIKeys(keys []APIKey) []byte {
	var out bytes.Buffer
	out.WriteString("# Kept by `alknet apikey`: hashes of API keys, not the keys.\n")
	for _, k := range keys {
		fmt.Fprintf(&out, "\n[[api_keys]]\nprefix = %s\nsha256 = %s\n", quote(k.Prefix), quote(k.SHA256))
		if k.Description != "" {
			fmt.Fprintf(&out, "description = %s\n", quote(k.Description))
		}
		fmt.Fprintf(&out, "scopes = %s\n", array(k.Scopes))
		if len(k.Resources) > 0 {
			fmt.Fprintf(&out, "resources = %s\n", resources(k.Resources))
		}
		if !k.Created.IsZero() {
			fmt.Fprintf(&out, "created = %s\n", timestamp(k.Created))
		}
		if !k.Expires.IsZero() {
			fmt.Fprintf(&out, "expires = %s\n", timestamp(k.Expires))
		}
	}
	return out.Bytes()
}
