// Command alknet is the node as one program: server, client and tools.
//
//	alknet serve                         start a node on 127.0.0.1:4433
//	alknet key generate                  make a key for this user
//	alknet authorize 'ssh-ed25519 AAAA…' let a key connect
//	alknet call ADDRESS /ns/op JSON      call an operation
//	alknet secret create                 make a phrase that every key comes from
//
// What a program may want to read goes to stdout, what a person is told to stderr.
// The exit status is 0 when it went well, 1 when the operation failed, 2 for wrong
// usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/config"
)

// version is set by the build.
var version = "dev"

// cli is the command line.
type cli struct {
	Home string `help:"Folder of keys and state (default: the platform's state folder)." env:"ALKNET_HOME" placeholder:"DIR"`

	Serve      serveCmd      `cmd:"" help:"Start a node that listens."`
	Call       callCmd       `cmd:"" help:"Call an operation and print its output."`
	Subscribe  subscribeCmd  `cmd:"" help:"Subscribe to an operation and print its events, a line each."`
	Services   servicesCmd   `cmd:"" help:"List the operations that you may call."`
	Worker     workerCmd     `cmd:"" help:"Join a head, and offer programs and a folder of this machine through it."`
	Service    serviceCmd    `cmd:"" help:"Offer secrets or a configuration to nodes of your own, from a process apart."`
	Nodes      nodesCmd      `cmd:"" help:"List the nodes that have joined a head and of which you may call something; with the scope admin, all of them."`
	Key        keyCmd        `cmd:"" help:"Make and show keys."`
	Authorize  authorizeCmd  `cmd:"" help:"Let a public key connect to this node."`
	Token      tokenCmd      `cmd:"" help:"Print a token that is good for five minutes."`
	Secret     secretCmd     `cmd:"" help:"Make a phrase, and use the keys that it gives."`
	Credential credentialCmd `cmd:"" help:"Keep what this node signs in elsewhere with: API keys, passwords and tokens, sealed with the phrase."`
	APIKey     apikeyCmd     `cmd:"" name:"apikey" help:"Make, list and revoke API keys."`
	Config     configCmd     `cmd:"" help:"Check and show the configuration of a node."`
	Completion completionCmd `cmd:"" help:"Print a script that completes commands and flags in your shell."`
	Complete   completeCmd   `cmd:"" hidden:""`
	Engine     engineCmd     `cmd:"" hidden:"" help:"Run the engine of the JavaScript package, which starts it and speaks to it on stdin and stdout."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// app is what every command gets.
type app struct {
	ctx    context.Context
	ending *ending
	home   string // --home
	stdout io.Writer
	stderr io.Writer
}

const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake on the command line that the parser could not see.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// configuration gives a mistake in the configuration its kind: those of flags alone
// are wrong usage.
func configuration(err error) error {
	all, ok := config.AsErrors(err)
	for _, e := range all {
		if !strings.HasPrefix(e.Source, "--") {
			return err
		}
	}
	if ok {
		return usageError{err}
	}
	return err
}

func main() {
	// Libraries below may log through the standard logger; what they have to say is
	// for developers, not for the person at the terminal.
	log.SetOutput(io.Discard)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	stdout, stderr = forPeople(stdout, stderr)
	for i, arg := range args {
		if !utf8.ValidString(arg) {
			fmt.Fprintf(stderr, "alknet: argument %d is not UTF-8: %q\n", i+1, arg)
			return exitUsage
		}
	}
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("alknet"),
		kong.Description("A self-hosted network of nodes that call each other."),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(stderr, "alknet:", err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help
	}
	if err != nil {
		fmt.Fprintf(stderr, "alknet: %s\nSee `alknet --help`.\n", usageText(err, args))
		return exitUsage
	}
	if flag := givenTwice(parsed); flag != "" {
		fmt.Fprintf(stderr, "alknet: %s is given twice: only one of them would hold\nSee `alknet --help`.\n", flag)
		return exitUsage
	}
	command, _, _ := strings.Cut(parsed.Command(), " ")
	ctx, ending, stop := handleSignals(command)
	defer stop()
	if lasting[command] {
		greeting, log := newSpool(stdout), newSpool(stderr)
		defer greeting.end()
		defer log.end()
		stdout, stderr = greeting, log
	}
	a := &app{ctx: ctx, ending: ending, home: c.Home, stdout: stdout, stderr: stderr}
	err = ending.wait(ctx, func() error { return parsed.Run(a, parser) })
	return report(err, stderr)
}

// givenTwice returns a flag that is given more than once and takes one value.
func givenTwice(parsed *kong.Context) string {
	seen := map[*kong.Flag]bool{}
	for _, element := range parsed.Path {
		flag := element.Flag
		if flag == nil || flag.IsCumulative() {
			continue
		}
		if seen[flag] {
			return "--" + flag.Name
		}
		seen[flag] = true
	}
	return ""
}

// report tells of an error, and returns the exit status.
func report(err error, stderr io.Writer) int {
	var usage usageError
	status := exitFailed
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errChecked):
		return exitFailed
	case errors.As(err, &usage):
		status, err = exitUsage, usage.error
	}
	if wrong, ok := config.AsErrors(err); ok {
		for _, e := range wrong {
			fmt.Fprintln(stderr, "alknet:", e)
		}
		return status
	}
	fmt.Fprintln(stderr, "alknet:", describe(err))
	return status
}

// maxDescribed bounds what is shown of an error of another node, in bytes.
const maxDescribed = 16 << 10

// describe gives an error's text, with the violations of a schema in a second line.
func describe(err error) string {
	var e *call.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := shorten(oneLine(err.Error()))
	if len(e.Details) > 0 {
		text += "\n" + shorten(oneLine(string(e.Details)))
	}
	return text
}

func shorten(s string) string {
	if len(s) <= maxDescribed {
		return s
	}
	return strings.ToValidUTF8(s[:maxDescribed], "") + "…"
}

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.stdout, "alknet", version)
	return err
}

// printJSON writes a value to stdout as one line of JSON.
func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
