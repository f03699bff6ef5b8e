package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// MarshalPublicKey gives the key as a line of authorized_keys, without a line end.
// Characters of the comment that cannot be printed become spaces: the line stays one.
func MarshalPublicKey(key ed25519.PublicKey, comment string) string {
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		return "" // only for a key of a wrong length
	}
	return publicKeyLine(public, comment)
}

func publicKeyLine(public ssh.PublicKey, comment string) string {
	line := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(public)), "\n")
	if comment != "" {
		line += " " + strings.TrimSpace(strings.Map(func(r rune) rune {
			if unprintable(r) {
				return ' '
			}
			return r
		}, comment))
	}
	return line
}

// ParsePublicKey reads a line "ssh-ed25519 AAAA… comment" without options.
func ParsePublicKey(line string) (key ed25519.PublicKey, comment string, err error) {
	public, comment, err := parsePublicKey(line)
	if err != nil {
		return nil, "", err
	}
	key, err = ed25519Of(public)
	return key, comment, err
}

func parsePublicKey(line string) (key ssh.PublicKey, comment string, err error) {
	text, err := oneLine(line)
	if err != nil {
		return nil, "", fmt.Errorf("this is not a public key: %w", err)
	}
	public, comment, options, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, "", errors.New("this is not a public key: want a line such as `ssh-ed25519 AAAA… name`")
	}
	if len(options) > 0 {
		return nil, "", errors.New("want one public key alone, without options")
	}
	return public, comment, nil
}

func ed25519Of(public ssh.PublicKey) (ed25519.PublicKey, error) {
	if wrapped, ok := public.(ssh.CryptoPublicKey); ok && public.Type() == ssh.KeyAlgoED25519 {
		if key, ok := wrapped.CryptoPublicKey().(ed25519.PublicKey); ok {
			return key, nil
		}
	}
	return nil, fmt.Errorf("a key of type %s: only ssh-ed25519 is taken", public.Type())
}
