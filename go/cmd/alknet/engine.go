package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/alkdev/alknet/go/internal/engine"
	"github.com/alkdev/alknet/go/internal/engine/pipe"
)

// engineCmd is the engine of the JavaScript package, where that runs it as a process
// of its own. It belongs to the process that holds the other end of its stdin.
type engineCmd struct{}

func (engineCmd) Run(*app) error {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return usagef("engine is started by the JavaScript package: its stdin and stdout are for messages, not for a terminal")
	}
	// These reach whole groups of processes: a terminal's Ctrl-C, a service manager's
	// stop. The owner decides what they mean to it, and ends this one by closing stdin.
	// A write to an owner that has gone fails, as a write to any pipe.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	forbidInspection() // it has secrets that its owner's process shall not have
	engine.Version = version
	out := os.Stdout
	os.Stdout = os.Stderr // nothing else may come between the messages
	return pipe.Serve(os.Stdin, out)
}
