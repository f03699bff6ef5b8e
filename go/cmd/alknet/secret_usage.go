package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// errSecretArgument is the answer to arguments that nothing takes: among them may be
// a phrase, and an error must not write that into a log.
var errSecretArgument = errors.New("an argument was given that this command does not take; a phrase or a passphrase is never an argument, where others can read it: leave it out and be asked, or use --phrase-fd or --phrase-file")

// errCredentialArgument is the same of the commands on credentials.
var errCredentialArgument = errors.New("an argument was given that this command does not take; a password, a key or a token is never an argument, where others can read it: leave it out and be asked, or use --secret-fd or --secret-file")

// usageText gives what the parser found wrong, without the arguments where those may
// be secrets.
func usageText(err error, args []string) string {
	if !mayHoldSecrets(err, args) {
		return err.Error()
	}
	text := err.Error()
	answer := errSecretArgument
	if commandOf(err) == "credential" {
		answer = errCredentialArgument
	}
	if flag, ok := strings.CutPrefix(text, "unknown flag --"); ok {
		flag, _, _ = strings.Cut(flag, ",")
		if slices.Contains([]string{"phrase", "passphrase", "mnemonic", "seed"}, flag) {
			return errSecretArgument.Error()
		}
		if answer == errCredentialArgument && slices.Contains([]string{"key", "password", "token", "secret-access-key", "session-token", "client-secret", "refresh-token", "value"}, flag) {
			return answer.Error()
		}
		return text // names of flags are no secrets
	}
	for _, quoting := range []string{"unexpected ", "bool value "} {
		if strings.Contains(text, quoting) {
			return answer.Error()
		}
	}
	// What was given instead stands at the end.
	text, _, _ = strings.Cut(text, " but got ")
	text, _, _ = strings.Cut(text, "; perhaps try ")
	for _, arg := range args {
		if name, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(name, "-") {
			arg = value
		}
		if isSecretLike(arg) && strings.Contains(strings.ToLower(text), strings.ToLower(arg)) {
			return answer.Error()
		}
	}
	return text
}

// isSecretLike reports whether an argument could be a word of a phrase or a
// passphrase: it is no flag, and not so short that a message has it by chance.
func isSecretLike(arg string) bool { return len(arg) >= 3 && !strings.HasPrefix(arg, "-") }

// commandOf returns the first word of the command that an error of the parser is
// about.
func commandOf(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		return ""
	}
	command, _, _ := strings.Cut(parse.Context.Command(), " ")
	return command
}

// mayHoldSecrets reports whether the command is one that reads a phrase.
func mayHoldSecrets(err error, args []string) bool {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		return true
	}
	switch commandOf(err) {
	case "secret", "credential":
		return true
	case "serve", "worker":
		return slices.ContainsFunc(args, func(arg string) bool {
			return strings.HasPrefix(arg, "--identity-from-secret") || strings.HasPrefix(arg, "--phrase") || strings.HasPrefix(arg, "--passphrase")
		})
	}
	return false
}
