package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	alknet "github.com/alkdev/alknet/go"
)

// work is what the mode load does, as JSON on stdin: a closed loop of callers, or one
// subscription, against an alknet node.
type work struct {
	Address string  `json:"address"`
	Key     string  `json:"key"` // file
	Call    string  `json:"call"`
	Stream  string  `json:"stream"`
	Callers int     `json:"callers"`
	Seconds float64 `json:"seconds"`
	Size    int     `json:"size"`   // bytes of the input
	Events  int     `json:"events"` // of the subscription
	Pause   float64 `json:"pause"`  // ms, that the reader of the subscription pauses every thousand events
}

// load prints {"count","seconds"}.
func load() error {
	var w work
	if err := json.NewDecoder(os.Stdin).Decode(&w); err != nil {
		return err
	}
	key, err := alknet.LoadKey(w.Key, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	client, err := (&alknet.Node{Key: key}).Connect(ctx, w.Address)
	if err != nil {
		return err
	}
	defer client.Close()
	var count int64
	began := time.Now()
	if w.Stream != "" {
		count, err = w.subscribe(ctx, client)
	} else {
		if _, err := w.callFor(ctx, client, w.Seconds/3); err != nil { // warm-up
			return err
		}
		began = time.Now()
		count, err = w.callFor(ctx, client, w.Seconds)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"count": count, "seconds": time.Since(began).Seconds()})
}

func (w *work) callFor(ctx context.Context, client *alknet.Conn, seconds float64) (int64, error) {
	input := json.RawMessage(`{"seq":1,"kind":"bench","data":"` + strings.Repeat("x", max(w.Size-34, 0)) + `"}`)
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	var count atomic.Int64
	var failed atomic.Pointer[error]
	var callers sync.WaitGroup
	for range w.Callers {
		callers.Go(func() {
			for time.Now().Before(end) && failed.Load() == nil {
				output, err := client.Call(ctx, w.Call, input)
				if err == nil && len(output) != len(input) {
					err = fmt.Errorf("an answer of %d bytes to %d", len(output), len(input))
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				count.Add(1)
			}
		})
	}
	callers.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return count.Load(), nil
}

func (w *work) subscribe(ctx context.Context, client *alknet.Conn) (int64, error) {
	events, err := client.Subscribe(ctx, w.Stream, map[string]int{"n": w.Events, "size": w.Size})
	if err != nil {
		return 0, err
	}
	for n := int64(0); ; n++ {
		event, err := events.Next(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		var got struct{ Seq int64 }
		if err := json.Unmarshal(event, &got); err != nil || got.Seq != n {
			return n, fmt.Errorf("event %d is %.100s", n, event)
		}
		if w.Pause > 0 && n%1000 == 999 {
			time.Sleep(time.Duration(w.Pause * float64(time.Millisecond)))
		}
	}
}

// worker offers the operations of the benchmark in two ways, as JSON on stdin says,
// {"address","key","name","listen","client"}: it joins the head at address, and listens
// itself for the same client. It prints {"address"} and ends with its stdin.
func worker() error {
	var o struct{ Address, Key, Name, Listen, Client string }
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&o); err != nil {
		return err
	}
	key, err := alknet.LoadKey(o.Key, nil)
	if err != nil {
		return err
	}
	node := &alknet.Node{Key: key}
	if node.Identities, err = alknet.AuthorizedKeys([]byte(o.Client)); err != nil {
		return err
	}
	if err := operations(node); err != nil {
		return err
	}
	ctx := context.Background()
	direct, err := node.Listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	conn, err := node.Connect(ctx, o.Address, alknet.WithoutReconnect())
	if err != nil {
		return err
	}
	if err := conn.Join(ctx, o.Name); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"address": direct.Addresses()[0]}); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.MultiReader(decoder.Buffered(), os.Stdin))
	return errors.Join(conn.Close(), direct.Close())
}
