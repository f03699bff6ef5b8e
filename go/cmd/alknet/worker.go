package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/execop"
	"github.com/alkdev/alknet/go/internal/fileop"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/route"
	"github.com/alkdev/alknet/go/internal/strictjson"
	"github.com/alkdev/alknet/go/internal/transport"
)

type workerCmd struct {
	Address     string        `arg:"" help:"The head: alknet://<endpoint-id>@host:port, as alknet serve prints it."`
	Name        string        `help:"The name under which the head knows this node." required:"" placeholder:"NAME"`
	Exec        []string      `help:"Offer a program: JSON on its stdin, JSON on its stdout, or JSON lines where --spec says that it is a subscription. There is no shell; quotes keep words together. May be given more than once." placeholder:"/NS/OP=COMMAND" sep:"none"`
	Spec        []string      `help:"JSON file with the spec of an operation of --exec, or an array of specs: type, schemas, description, accessControl. May be given more than once." placeholder:"FILE"`
	FS          string        `help:"Offer /fs/read, /fs/write, /fs/list, /fs/stat and /fs/watch inside this folder." placeholder:"FOLDER"`
	ReadOnly    bool          `help:"Leave /fs/write out."`
	Concurrency int           `help:"How many programs may run at once (default: four for each CPU)." placeholder:"N"`
	MaxOutput   int           `help:"How much a program may write, or how long a line of a subscription may be, in bytes." default:"8388608" placeholder:"BYTES"`
	Key         string        `help:"Your key file (default: client_key in the state folder)." placeholder:"FILE"`
	Timeout     time.Duration `help:"How long each attempt to connect may take." default:"10s"`
	Drain       time.Duration `help:"How long a shutdown lets calls finish." default:"5s"`
	LogFormat   string        `help:"text or json." enum:"text,json" default:"text"`
	JSON        bool          `help:"Print what is offered as one line of JSON."`
	workerCredentials
}

func (c *workerCmd) Run(a *app) error {
	if _, err := transport.ParseAddress(c.Address); err != nil {
		return usageError{err}
	}
	if err := route.CheckName(c.Name); err != nil {
		return usageError{err}
	}
	if len(c.Exec) == 0 && c.FS == "" {
		return usageError{errors.New("the worker would offer nothing: name a program with --exec or a folder with --fs")}
	}
	var handler slog.Handler = slog.NewTextHandler(a.stderr, nil)
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(a.stderr, nil)
	}
	logger := slog.New(handler)
	registry := call.NewRegistry()
	if err := c.offerPrograms(registry, logger); err != nil {
		return err
	}
	end, err := c.workerCredentials.open(a, registry, func() (ed25519.PrivateKey, error) { return a.userKey(c.Key) }, logger)
	if err != nil {
		return err
	}
	defer end()
	if c.FS != "" {
		folder, err := fileop.Open(fileop.Config{Path: c.FS, ReadOnly: c.ReadOnly})
		if err != nil {
			return err
		}
		defer folder.Close()
		if err := folder.Register(registry); err != nil {
			return usageError{err}
		}
	}
	return c.work(a, registry, logger)
}

// work joins the head and stays until it is told to stop, or loses its name.
func (c *workerCmd) work(a *app, registry *call.Registry, logger *slog.Logger) error {
	key, err := a.userKey(c.Key)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	client, err := node.Connect(a.ctx, node.ClientConfig{
		Address: c.Address, Key: key, Registry: registry, Timeout: c.Timeout, Agent: "alknet/" + version, Logger: logger,
		OnState: func(s node.State) { follow(s, logger, ended) },
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
		defer cancel()
		client.Close(ctx)
	}()
	if err := client.Join(a.ctx, c.Name); err != nil {
		return err
	}
	a.ending.mayTake(c.Drain)
	if err := c.greet(a, registry); err != nil {
		logger.Warn("what is offered could not be printed", "error", err)
	}
	a.onHangup(func() { logger.Info("a worker has nothing to read again: start it again for other operations") })
	select {
	case <-a.ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// follow logs what becomes of the connection, and ends the worker with it.
func follow(s node.State, logger *slog.Logger, ended chan<- error) {
	switch s.Status {
	case node.Disconnected:
		logger.Warn("disconnected; trying again", "error", s.Err)
	case node.Reconnected:
		logger.Info("connected again")
	case node.Left, node.Closed:
		if s.Err == nil {
			return
		}
		select {
		case ended <- s.Err:
		default: // the first reason is told
		}
	}
}

// offerPrograms registers what --exec and --spec name.
func (c *workerCmd) offerPrograms(registry *call.Registry, logger *slog.Logger) error {
	specs, err := readSpecs(c.Spec)
	if err != nil {
		return err
	}
	credentials, err := c.services()
	if err != nil {
		return err
	}
	runner := execop.New(execop.Config{MaxAtOnce: c.Concurrency, MaxOutput: c.MaxOutput, Logger: logger})
	for _, text := range c.Exec {
		name, line, ok := strings.Cut(text, "=")
		if !ok {
			return usageError{fmt.Errorf("--exec %s: want /namespace/operation=command", text)}
		}
		command, err := execop.SplitCommand(line)
		if err != nil {
			return usageError{fmt.Errorf("--exec %s: %w", name, err)}
		}
		spec, known := specs[name]
		if !known {
			spec = call.OperationSpec{Name: name, Description: "Runs " + command[0]}
		}
		delete(specs, name)
		if err := runner.Register(registry, spec, command, credentials[name]...); err != nil {
			return usageError{fmt.Errorf("--exec: %w", err)}
		}
		delete(credentials, name)
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		return usageError{fmt.Errorf("--spec describes %s, and no --exec offers it", name)}
	}
	for _, name := range slices.Sorted(maps.Keys(credentials)) {
		return usageError{fmt.Errorf("--credential is for %s, and no --exec offers it", name)}
	}
	return nil
}

// maxSpecFile bounds a file of --spec, in bytes.
const maxSpecFile = 16 << 20

// readSpecs reads the files of --spec, by the names of the operations.
func readSpecs(files []string) (map[string]call.OperationSpec, error) {
	specs := map[string]call.OperationSpec{}
	for _, file := range files {
		data, err := atomicfile.ReadText(file, maxSpecFile, atomicfile.Deciding)
		if err != nil {
			return nil, fmt.Errorf("read the spec: %w", err)
		}
		list := []call.OperationSpec{{}}
		if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '[' {
			err = strict(data, &list)
		} else {
			err = strict(data, &list[0])
		}
		if err != nil {
			return nil, fmt.Errorf("the spec in %s: %w", file, err)
		}
		for _, spec := range list {
			if _, twice := specs[spec.Name]; twice {
				return nil, fmt.Errorf("the spec in %s: %s is described twice", file, spec.Name)
			}
			specs[spec.Name] = spec
		}
	}
	return specs, nil
}

// strict reads JSON and refuses members that are not known: a typing error in
// accessControl must not open an operation to everyone.
func strict(data []byte, into any) error {
	return strictjson.UnmarshalKnown(data, into)
}

// greet says what is offered, and what callers need for it.
func (c *workerCmd) greet(a *app, registry *call.Registry) error {
	type offered struct {
		Name   string   `json:"name"`
		Type   string   `json:"type"`
		Scopes []string `json:"scopes"`
	}
	var list []offered
	for _, spec := range registry.Specs() {
		if ns := spec.FirstPart(); ns == "services" || ns == "node" {
			continue
		}
		list = append(list, offered{"/" + c.Name + spec.Name, spec.Type, append(slices.Clone(spec.AccessControl.RequiredScopes), spec.AccessControl.RequiredScopesAny...)})
	}
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(map[string]any{"node": c.Name, "operations": list})
	}
	fmt.Fprintf(a.stdout, "alknet %s has joined as %s\n", version, c.Name)
	rows := make([][]string, len(list))
	for i, o := range list {
		rows[i] = []string{"  " + o.Name, o.Type, "needs " + strings.Join(o.Scopes, ", ")}
		if len(o.Scopes) == 0 {
			rows[i][2] = "for everyone"
		}
	}
	return printTable(a.stdout, rows)
}
