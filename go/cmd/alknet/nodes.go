package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
	"github.com/alkdev/alknet/go/internal/route"
)

type nodesCmd struct {
	remote
	Watch bool `help:"Go on, and print each node that joins, changes or leaves."`
	JSON  bool `help:"Print JSON; with --watch, one event a line."`
}

func (c *nodesCmd) Run(a *app) error {
	client, err := c.connect(a)
	if err != nil {
		return err
	}
	defer disconnect(client)
	if c.Watch {
		return c.watch(a, client)
	}
	output, err := client.Call(a.ctx, "/head/nodes/list", nil, call.WithTimeout(c.Timeout))
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = fmt.Fprintln(a.stdout, string(output))
		return err
	}
	var list struct{ Nodes []route.Node }
	if err := json.Unmarshal(output, &list); err != nil {
		return fmt.Errorf("the head's list of nodes: %w", err)
	}
	rows := [][]string{{"NODE", "OPERATIONS", "JOINED", "SOFTWARE", "IDENTITY"}}
	for _, n := range list.Nodes {
		rows = append(rows, []string{n.Name, strconv.Itoa(n.Operations), n.Joined.Local().Format(time.DateTime), n.Agent, n.Identity})
	}
	return printTable(a.stdout, rows)
}

// watch prints the nodes that are there, and then what changes, until it is stopped.
func (c *nodesCmd) watch(a *app, client *node.Client) error {
	events, err := client.Subscribe(a.ctx, "/head/nodes/watch", map[string]bool{"snapshot": true})
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		raw, err := events.Next(a.ctx)
		if errors.Is(err, io.EOF) || a.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if c.JSON {
			if _, err := fmt.Fprintln(a.stdout, string(raw)); err != nil {
				return err
			}
			continue
		}
		var event route.Event
		if err := json.Unmarshal(raw, &event); err != nil {
			return fmt.Errorf("an event of the head: %w", err)
		}
		n := event.Node
		if _, err := fmt.Fprintf(a.stdout, "%s  %-7s  %s  %d operations  %s\n", time.Now().Format(time.DateTime), printable(event.Event), printable(n.Name), n.Operations, printable(n.Identity)); err != nil {
			return err
		}
	}
}
