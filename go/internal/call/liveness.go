package call

import (
	"slices"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// watched is the link as the reader sees it: each byte that arrives is a sign of
// life, also those of a frame that takes minutes.
type watched struct{ s *Session }

func (w watched) Read(p []byte) (int, error) {
	n, err := w.s.link.Read(p)
	for w.s.deaf.Load() && err == nil { // see hangUp
		n, err = w.s.link.Read(p)
	}
	if n > 0 {
		w.s.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

// probe sends a ping on a silent byte stream and ends the session on a dead one: one
// that was asked and has not answered. Silence alone does not tell, since it may be
// this side that has slept.
func (s *Session) probe() {
	heard := s.lastRead.Load()
	silent := time.Since(time.Unix(0, heard))
	if silent >= s.cfg.Limits.DeadAfter && s.asked > heard {
		s.abrupt.Store(true)
		s.fail(Errorf(Unavailable, "the other node has been silent for %d s", int(silent.Seconds())), "silent for too long")
		return
	}
	if silent >= s.cfg.Limits.PingInterval {
		if s.asked <= heard {
			s.asked = time.Now().UnixNano()
		}
		s.out.add(wire.Ping, "", emptyObject)
		s.out.kick()
	}
	s.mu.Lock()
	if s.err == nil {
		s.alive.Reset(s.cfg.Limits.PingInterval)
	}
	s.mu.Unlock()
}

// farewell is a ping that is answered once so many streams of the other side have
// ended: the other side is about to close the session.
type farewell struct {
	id      string
	streams int64
	late    *time.Timer
}

// maxFarewells bounds the pings that wait.
const maxFarewells = 16

func (s *Session) pinged(env wire.Envelope) {
	var streams int64
	if _, has := s.link.(StreamLink); has {
		wire.Members(env.Payload, func(name, value []byte) {
			if string(name) == "streams" {
				streams, _ = number(value)
			}
		})
	}
	s.mu.Lock()
	wait := streams > s.streamsIn && len(s.farewells) < maxFarewells && s.err == nil
	if wait {
		f := &farewell{id: env.ID, streams: streams}
		f.late = time.AfterFunc(farewellTime, func() { s.pongDue(func(other *farewell) bool { return other == f }) })
		s.farewells = append(s.farewells, f)
	}
	s.mu.Unlock()
	if !wait {
		s.pong(env.ID)
	}
}

// streamEnded counts a stream of the other side whose frames are all handled.
func (s *Session) streamEnded() {
	s.mu.Lock()
	s.streamsIn++
	ended := s.streamsIn
	s.mu.Unlock()
	s.pongDue(func(f *farewell) bool { return ended >= f.streams })
}

// pongDue answers the pings that wait and are due.
func (s *Session) pongDue(due func(*farewell) bool) {
	var ids []string
	s.mu.Lock()
	s.farewells = slices.DeleteFunc(s.farewells, func(f *farewell) bool {
		if !due(f) {
			return false
		}
		f.late.Stop()
		ids = append(ids, f.id)
		return true
	})
	s.mu.Unlock()
	for _, id := range ids {
		s.pong(id)
	}
}

func (s *Session) pong(id string) {
	s.out.add(wire.Pong, id, emptyObject)
	s.out.kick()
}
