package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/atomicfile"
	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/internal/transport"
)

// remote are the flags of commands that connect to a node.
type remote struct {
	Address     string        `arg:"" help:"The node: alknet://<endpoint-id>@host:port, as alknet serve prints it."`
	Key         string        `help:"Your key file (default: client_key in the state folder)." placeholder:"FILE"`
	Certificate string        `help:"Certificate of your key, as ssh-keygen -s makes it (default: the key's name and -cert.pub, if there is such a file)." placeholder:"FILE"`
	TokenFile   string        `help:"Connect with the API key or token in a file, in place of your key." placeholder:"FILE"`
	Insecure    bool          `help:"Accept any certificate of a node whose key the address does not pin."`
	Timeout     time.Duration `help:"How long connecting, and a call, may take." default:"10s"`
}

func (r *remote) connect(a *app) (*node.Client, error) {
	if _, err := transport.ParseAddress(r.Address); err != nil {
		return nil, usageError{err}
	}
	cfg := node.ClientConfig{
		Address: r.Address, Insecure: r.Insecure, Timeout: r.Timeout, Registry: call.NewRegistry(), NoReconnect: true,
		Agent: "alknet/" + version, Logger: slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if err := r.signIn(a, &cfg); err != nil {
		return nil, err
	}
	return node.Connect(a.ctx, cfg)
}

// signIn finds the credential: a token, or a key with its certificate.
func (r *remote) signIn(a *app, cfg *node.ClientConfig) error {
	if r.TokenFile != "" {
		text, err := readSmall(r.TokenFile, atomicfile.Secret)
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		if cfg.Token = strings.TrimSpace(text); cfg.Token == "" {
			return fmt.Errorf("%s is empty: want an API key or a token", r.TokenFile)
		}
		return nil
	}
	key, err := a.userKey(r.Key)
	if err != nil {
		return err
	}
	cfg.Key = key
	path := r.Certificate
	if path == "" {
		if path, err = a.named(r.Key, userKeyFile); err != nil {
			return err
		}
		path += "-cert.pub"
	}
	text, err := readSmall(path, atomicfile.Public)
	if r.Certificate == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	certified, err := auth.ParseCertificate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !certified.Equal(key.Public()) {
		return fmt.Errorf("%s is the certificate of another key, %s", path, principal.Fingerprint(certified))
	}
	cfg.Certificate = strings.TrimSpace(text)
	return nil
}

// maxSmall bounds files that hold one line, in bytes.
const maxSmall = 64 << 10

func readSmall(path string, kind atomicfile.Kind) (string, error) {
	data, err := atomicfile.ReadText(path, maxSmall, kind)
	return string(data), err
}

// disconnect gives the last frames a moment to leave.
func disconnect(client *node.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	client.Close(ctx)
}

// request is an operation and its input.
type request struct {
	Operation string `arg:"" help:"The operation, /namespace/operation."`
	Input     string `arg:"" optional:"" help:"The input as JSON." default:"null"`
}

func (r *request) check() error {
	if err := call.CheckName(r.Operation); err != nil {
		return usageError{err}
	}
	if !json.Valid([]byte(r.Input)) { // and UTF-8, as all arguments are
		return usageError{errors.New(`the input is not JSON: quote it for the shell, as in '{"name":"value"}'`)}
	}
	return nil
}

type callCmd struct {
	remote
	request
	Raw bool `help:"Print an output that is a string as it is, without quotes."`
}

func (c *callCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	client, err := c.connect(a)
	if err != nil {
		return err
	}
	defer disconnect(client)
	output, err := client.Call(a.ctx, c.Operation, json.RawMessage(c.Input), call.WithTimeout(c.Timeout))
	if err != nil {
		return err
	}
	var text string
	if c.Raw && json.Unmarshal(output, &text) == nil {
		_, err = io.WriteString(a.stdout, text)
		return err
	}
	_, err = fmt.Fprintln(a.stdout, string(output))
	return err
}

type subscribeCmd struct {
	remote
	request
	Count int `help:"Stop after so many events (default: go on)." placeholder:"N"`
}

func (c *subscribeCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	client, err := c.connect(a)
	if err != nil {
		return err
	}
	defer disconnect(client)
	events, err := client.Subscribe(a.ctx, c.Operation, json.RawMessage(c.Input))
	if err != nil {
		return err
	}
	defer events.Close()
	for n := 1; ; n++ {
		event, err := events.Next(a.ctx)
		if errors.Is(err, io.EOF) || a.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.stdout, string(event)); err != nil || n == c.Count {
			return err
		}
	}
}

type servicesCmd struct {
	remote
	Node string `help:"Only those of one node that has joined." placeholder:"NAME"`
	JSON bool   `help:"Print JSON."`
}

func (c *servicesCmd) Run(a *app) error {
	client, err := c.connect(a)
	if err != nil {
		return err
	}
	defer disconnect(client)
	output, err := client.Call(a.ctx, "/services/list", nil, call.WithTimeout(c.Timeout))
	if err != nil {
		return err
	}
	var list struct {
		Operations []struct {
			Name        string `json:"name"`
			Namespace   string `json:"namespace"`
			Type        string `json:"type"`
			Description string `json:"description"`
		} `json:"operations"`
	}
	if err := json.Unmarshal(output, &list); err != nil {
		return fmt.Errorf("the node's list of operations: %w", err)
	}
	if c.Node != "" {
		kept := list.Operations[:0]
		for _, op := range list.Operations {
			if strings.HasPrefix(op.Name, "/"+c.Node+"/") {
				kept = append(kept, op)
			}
		}
		if list.Operations = kept; len(kept) == 0 {
			return fmt.Errorf("you may call nothing of a node %s there: `alknet nodes` lists the nodes", c.Node)
		}
	}
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(list)
	}
	rows := make([][]string, len(list.Operations))
	for i, op := range list.Operations {
		rows[i] = []string{op.Name, op.Type, op.Description}
	}
	return printTable(a.stdout, rows)
}
