package call

import (
	"errors"
	"time"

	"github.com/alkdev/alknet/go/wire"
)

// streamBuffer is the read buffer of a stream that carries one request's frames.
const streamBuffer = 4 << 10

func (s *Session) readMain() {
	err := s.read(s.reader, s.out)
	s.out.hold(false)
	s.readEnded(err)
}

func (s *Session) acceptStreams(link StreamLink) {
	for {
		stream, err := link.AcceptStream(s.ctx)
		if err != nil {
			return // the main stream's reader says why
		}
		s.work.Go(func() {
			frames := wire.NewReaderSize(stream, s.cfg.Limits.MaxFrame, streamBuffer)
			frames.SetBudget(&s.large)
			err := s.read(frames, nil)
			frames.Done()
			var malformed *wire.ProtocolError
			if errors.As(err, &malformed) && malformed.Class != wire.ClassEOF {
				s.breach(err)
			}
			// An end inside a frame is how the sender abandons a request's stream.
			stream.Cancel()
		})
	}
}

func (s *Session) readEnded(err error) {
	var malformed *wire.ProtocolError
	var refused *Error
	switch {
	case errors.As(err, &malformed):
		s.breach(err)
	case errors.As(err, &refused):
		s.fail(refused, refused.Error())
	case err != nil:
		s.lost(err)
	}
}

// maxBatch is how many frames are handled before the answers to them must leave.
const maxBatch = 128

// read handles frames until the stream ends, which gives io.EOF. While more frames
// wait that have arrived already, out is held, so that the answers to frames that
// came together leave together.
func (s *Session) read(frames *wire.Reader, out *output) error {
	var b batch
	defer b.flush()
	for n := 1; ; n++ {
		body, err := frames.Next()
		if err != nil {
			return err
		}
		env, err := wire.ParseEnvelope(body)
		if err != nil {
			return err
		}
		ready := frames.Ready()
		if out != nil && ready && n < maxBatch {
			out.hold(true)
		}
		if err := s.dispatch(env, frames.Owned(), &b); err != nil {
			return err
		}
		if !ready || n >= maxBatch {
			b.flush()
		}
		if out != nil && (!ready || n >= maxBatch) {
			out.hold(false)
		}
		if n >= maxBatch || !ready {
			n = 0
		}
		if !ready {
			s.lastRead.Store(time.Now().UnixNano())
			if s.cfg.AfterBatch != nil {
				s.cfg.AfterBatch()
			}
		}
	}
}

// dispatch handles one event. It must not block: one slow reader or handler would
// delay everybody else on the session. owned says that the payload may be kept.
func (s *Session) dispatch(env wire.Envelope, owned bool, b *batch) error {
	switch env.Type {
	case wire.Requested:
		s.requested(env.ID, env.Payload, owned, b)
	case wire.Responded, wire.Completed, wire.Failed:
		if env.Type == wire.Failed && env.ID == "" {
			return s.told(parseError(env.Payload))
		}
		s.answered(env, b)
	case wire.Aborted:
		s.aborted(env)
	case wire.Credit:
		s.credited(env)
	case wire.Ping:
		s.out.add(wire.Pong, env.ID, emptyObject)
		s.out.kick()
	case wire.Pong:
		s.ponged(env.ID)
	case wire.Closing:
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
	case wire.Open:
		s.openedLate(env.Payload)
	default:
		s.stats.unknown.Add(1)
	}
	return nil
}

// told is an error about the session itself, which the other side sends before it
// closes.
func (s *Session) told(err *Error) error {
	return Errorf(Unavailable, "the other node ended the session: %s: %s", err.Code, err.Message)
}

func (s *Session) credited(env wire.Envelope) {
	var n int64
	var ok bool
	if !wire.Members(env.Payload, func(name, value []byte) {
		if string(name) == "n" {
			n, ok = number(value)
		}
	}) || !ok {
		s.stats.dropped.Add(1)
		return
	}
	s.mu.Lock()
	r := s.incoming[env.ID]
	s.mu.Unlock()
	if r != nil {
		r.addCredit(int(min(n, MaxWindow)))
	}
}

// aborted ends a request because the caller stopped waiting for it.
func (s *Session) aborted(env wire.Envelope) {
	s.mu.Lock()
	r := s.incoming[env.ID]
	if r == nil {
		s.early.add(env.ID)
		s.mu.Unlock()
		// It may be the handler's side that stops one of our requests.
		if o := s.takeText(env.ID); o != nil {
			o.fail(Errorf(Aborted, "the other node stopped the request"))
		}
		return
	}
	s.mu.Unlock()
	_ = r.end(Errorf(Aborted, "the caller stopped the request"), nil)
}
