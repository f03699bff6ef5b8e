// Command scale measures what many sessions cost one head: memory, goroutines and CPU
// of the head, latency and throughput of those who work beside those who are idle, and
// the lag of many subscriptions at once. `make bench SUITE=scale` runs it.
//
// It starts itself again as a head and as two clients, which do what a line of JSON on
// stdin says and answer with a line of JSON, and end with their stdin. Everything goes
// over loopback and Unix sockets.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	var (
		o     options
		roles = map[string]func() error{"head": head, "client": client}
	)
	role := flag.String("role", "", "head or client: for the program's own use")
	transports := flag.String("transports", "quic,tls,unix", "what to measure")
	levels := flag.String("sessions", "1,10,100,1000,10000", "how many sessions")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "how long the CPU of idle sessions is watched, with 1,000 and more of them")
	flag.DurationVar(&o.active, "active", 3*time.Second, "how long calls are counted")
	flag.StringVar(&o.page, "write", "", "the Markdown page that is to hold the results; the chart goes beside it")
	flag.StringVar(&o.label, "label", "", "what to say about the run")
	flag.Parse()
	run := roles[*role]
	if run == nil {
		o.transports = strings.Split(*transports, ",")
		for _, text := range strings.Split(*levels, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				fail(fmt.Errorf("-sessions %q: want numbers from 1 on", *levels))
			}
			o.sessions = append(o.sessions, n)
		}
		run = o.run
	}
	if err := raiseFileLimit(); err != nil {
		fail(err)
	}
	if err := run(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "scale:", err)
	os.Exit(1)
}

// raiseFileLimit lets the process, and those that it starts, have as many files as the
// system allows it: a session is one.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
