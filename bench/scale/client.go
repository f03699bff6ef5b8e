package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	alknet "github.com/alkdev/alknet/go"
)

// task is one command to a client.
type task struct {
	Do      string // open, ping, call, clock or close
	Address string // open
	Count   int    // open: sessions; ping: calls; clock: subscriptions
	Across  int    // clock: over how many sessions
	Seconds float64
	Every   time.Duration // clock: between two events of one subscription
}

// opened is the answer to open.
type opened struct {
	Seconds float64
	Refused int // attempts that were refused, or took too long, and were made again
}

// called is the answer to ping and call, and to clock.
type called struct {
	Count   int64
	Missing int64   // events that did not come
	Seconds float64 // that it took
	Times   []int64 // latencies or lags, in nanoseconds; at most sampleSize of them
}

// sampleSize bounds the times that a client tells.
const sampleSize = 50_000

// dialers is how many sessions one client opens at a time.
const dialers = 32

// client holds many sessions with one key, each a client of its own with a connection of
// its own.
func client() error {
	var c clients
	err := obey(func(raw json.RawMessage) (any, error) { return c.makeKey() }, func(raw json.RawMessage) (any, error) {
		var t task
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, err
		}
		switch t.Do {
		case "open":
			return c.open(t)
		case "ping":
			return c.ping(t)
		case "call":
			return c.call(t)
		case "clock":
			return c.clock(t)
		case "close":
			return nil, c.close()
		}
		return nil, fmt.Errorf("there is no %q", t.Do)
	})
	return errors.Join(err, c.close())
}

type clients struct {
	node alknet.Node
	all  []*alknet.Conn
}

// makeKey returns the line of authorized_keys.
func (c *clients) makeKey() (string, error) {
	key, err := alknet.GenerateKey()
	if err != nil {
		return "", err
	}
	c.node.Key = key
	return alknet.AuthorizedKey(key.Public().(ed25519.PublicKey), "scale"), nil
}

func (c *clients) open(t task) (opened, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var (
		o       opened
		mu      sync.Mutex
		refused atomic.Int64
		failed  error
		work    sync.WaitGroup
		left    atomic.Int64
	)
	left.Store(int64(t.Count))
	begin := time.Now()
	for range min(dialers, t.Count) {
		work.Go(func() {
			for left.Add(-1) >= 0 {
				for {
					conn, err := c.node.Connect(ctx, t.Address, alknet.WithoutReconnect(), alknet.ConnectTimeout(time.Minute))
					mu.Lock()
					if err == nil {
						c.all = append(c.all, conn)
					} else if !slices.Contains([]alknet.Code{alknet.Unavailable, alknet.Timeout}, alknet.CodeOf(err)) || refused.Add(1) > int64(t.Count) {
						failed = err
					}
					stop := failed != nil
					mu.Unlock()
					if stop {
						return
					}
					if err == nil {
						break
					}
				}
			}
		})
	}
	work.Wait()
	o.Seconds, o.Refused = time.Since(begin).Seconds(), int(refused.Load())
	return o, failed
}

var input = json.RawMessage(`{"data":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"}`)

// echo makes one call and checks its answer.
func echo(ctx context.Context, node *alknet.Conn) error {
	output, err := node.Call(ctx, "/bench/echo", input)
	if err == nil && len(output) != len(input) {
		err = fmt.Errorf("the answer has %d bytes", len(output))
	}
	return err
}

// ping makes calls on one session, one after the other.
func (c *clients) ping(t task) (called, error) {
	var a called
	begin := now()
	for range t.Count {
		asked := now()
		if err := echo(context.Background(), c.all[0]); err != nil {
			return a, err
		}
		a.Times = append(a.Times, now()-asked)
	}
	a.Count, a.Seconds = int64(t.Count), float64(now()-begin)/1e9
	return a, nil
}

// call has every session make calls at the same time, one after the other each.
func (c *clients) call(t task) (called, error) {
	var (
		a      called
		work   sync.WaitGroup
		count  atomic.Int64
		failed atomic.Pointer[error]
	)
	begin := time.Now()
	end := begin.Add(time.Duration(t.Seconds * float64(time.Second)))
	for _, node := range c.all {
		work.Go(func() {
			for time.Now().Before(end) && failed.Load() == nil {
				if err := echo(context.Background(), node); err != nil {
					failed.Store(&err)
					return
				}
				count.Add(1)
			}
		})
	}
	work.Wait()
	a.Count, a.Seconds = count.Load(), time.Since(begin).Seconds()
	if err := failed.Load(); err != nil {
		return a, *err
	}
	return a, nil
}

// lead is how long after it was told to a client has the first event sent: all
// subscriptions are open then.
const lead = 2 * time.Second

// clock subscribes to the head's clock. The events of different subscriptions are spread
// evenly over the time between two events.
func (c *clients) clock(t task) (called, error) {
	var (
		a    called
		mu   sync.Mutex
		work sync.WaitGroup
		errs []error
	)
	ctx, cancel := context.WithTimeout(context.Background(), lead+time.Duration(t.Seconds*float64(time.Second))+time.Minute)
	defer cancel()
	count := int64(t.Seconds * float64(time.Second) / float64(t.Every))
	first, begin := now()+int64(lead), time.Now()
	keep := int64(1) // of so many events one is told
	for count*int64(t.Count)/keep > sampleSize {
		keep++
	}
	for i := range t.Count {
		in := map[string]int64{"first": first + int64(t.Every)*int64(i)/int64(t.Count), "every": int64(t.Every), "count": count}
		work.Go(func() {
			times, got, err := read(ctx, c.all[i%t.Across], in, int64(i), keep)
			mu.Lock()
			defer mu.Unlock()
			a.Count += got
			a.Missing += count - got
			a.Times = append(a.Times, times...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	work.Wait()
	a.Seconds = (time.Since(begin) - lead).Seconds()
	if len(errs) > 0 {
		return a, fmt.Errorf("%d of %d subscriptions failed: %w", len(errs), t.Count, errs[0])
	}
	return a, nil
}

// read takes one subscription to its end. Of every keep events, one's lag is kept.
func read(ctx context.Context, node *alknet.Conn, in map[string]int64, phase, keep int64) (lags []int64, got int64, err error) {
	events, err := node.Subscribe(ctx, "/bench/clock", in)
	if err != nil {
		return nil, 0, err
	}
	for {
		event, err := events.Next(ctx)
		if err == io.EOF {
			return lags, got, nil
		}
		if err != nil {
			return lags, got, err
		}
		came := now()
		if (got+phase)%keep == 0 {
			var told struct{ Due int64 }
			if err := json.Unmarshal(event, &told); err != nil {
				return lags, got, err
			}
			lags = append(lags, came-told.Due)
		}
		got++
	}
}

func (c *clients) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var work sync.WaitGroup
	for _, node := range c.all {
		work.Go(func() { _ = node.Shutdown(ctx) })
	}
	work.Wait()
	c.all = nil
	return nil
}
