package main

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// SubReq asks for N events of Size bytes of JSON: {"seq":0,"t":MICROS,"pad":"xxx"}.
// EveryMs 0: as fast as the transport takes them, t is when the event was made.
// EveryMs > 0: one each EveryMs, t is when the event was due (so lag counts a late sender too).
// The subscriptions of a Group start together, when GroupSize of them are open (or after 5 s).
type SubReq struct {
	N         int    `json:"n"`
	Size      int    `json:"size"`
	EveryMs   int    `json:"everyMs"`
	PhaseMs   int    `json:"phaseMs"`
	Group     string `json:"group"`
	GroupSize int    `json:"groupSize"`
}

// leadUs is how long after its group is complete a paced subscription starts.
const leadUs = 100_000

// Events makes the events of one subscription. ev is reused: emit must not keep it.
func Events(ctx context.Context, raw []byte, emit func(ev []byte) error) error {
	var r SubReq
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	var start int64
	if r.EveryMs > 0 {
		start = barrier(r.Group, r.GroupSize) + leadUs + int64(r.PhaseMs)*1000
	}
	ev := make([]byte, 0, r.Size+64)
	for i := range r.N {
		t := monoUs()
		if r.EveryMs > 0 {
			due := start + int64(i)*int64(r.EveryMs)*1000
			if due > t {
				select {
				case <-time.After(time.Duration(due-t) * time.Microsecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			t = due
		}
		ev = append(ev[:0], `{"seq":`...)
		ev = strconv.AppendInt(ev, int64(i), 10)
		ev = append(ev, `,"t":`...)
		ev = strconv.AppendInt(ev, t, 10)
		ev = append(ev, `,"pad":"`...)
		for len(ev) < r.Size-2 {
			ev = append(ev, 'x')
		}
		ev = append(ev, `"}`...)
		if err := emit(ev); err != nil {
			return err
		}
	}
	return nil
}

type group struct {
	n     int
	open  chan struct{}
	start int64
}

var (
	groupsMu sync.Mutex
	groups   = map[string]*group{}
)

func barrier(name string, size int) int64 {
	groupsMu.Lock()
	g := groups[name]
	if g == nil {
		g = &group{open: make(chan struct{})}
		groups[name] = g
		time.AfterFunc(5*time.Second, func() { groupsMu.Lock(); g.release(); groupsMu.Unlock() })
	}
	if g.n++; g.n >= size {
		g.release()
	}
	groupsMu.Unlock()
	<-g.open
	return g.start
}

func (g *group) release() {
	if g.start == 0 {
		g.start = monoUs()
		close(g.open)
	}
}

// monoUs is CLOCK_MONOTONIC, the clock that Node's process.hrtime() reads, so lag needs no clock sync.
func monoUs() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano() / 1000
}
