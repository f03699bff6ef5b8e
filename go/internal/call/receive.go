package call

import (
	"errors"
	"strings"

	"github.com/alkdev/alknet/go/internal/wire"
)

// streamBuffer is the read buffer of a stream that carries one request's frames.
const streamBuffer = 4 << 10

func (s *Session) readMain() {
	_, err := s.read(s.reader, s.out)
	s.reader.Done()
	s.out.hold(false)
	s.readEnded(err)
}

func (s *Session) acceptStreams(link StreamLink) {
	for {
		stream, err := link.AcceptStream(s.ctx)
		if err != nil {
			return // the main stream's reader says why
		}
		s.run(func() {
			frames := wire.NewReaderSize(stream, s.cfg.Limits.MaxFrame, streamBuffer)
			frames.SetBudget(&s.large)
			last, err := s.read(frames, nil)
			frames.Done()
			var malformed *wire.ProtocolError
			if errors.As(err, &malformed) && malformed.Class != wire.ClassEOF {
				s.breach(err)
			}
			// An end inside a frame is how the sender abandons a request's stream, and any
			// end before the last event of one that goes on is a loss.
			if o := s.takeText(last); o != nil {
				o.fail(Errorf(Unavailable, "the stream of the subscription has ended without its last event"))
			}
			stream.Cancel()
			s.streamEnded()
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
// came together leave together. answered is the id of the last answer among them.
func (s *Session) read(frames *wire.Reader, out *output) (answered string, err error) {
	var b batch
	defer b.flush()
	for n := 1; ; n++ {
		body, err := frames.Next()
		if err != nil {
			return answered, err
		}
		env, err := wire.ParseEnvelope(body)
		if err != nil {
			return answered, err
		}
		if env.Type == wire.Responded {
			answered = env.ID
		}
		ready := frames.Ready()
		if out != nil && ready && n < maxBatch {
			out.hold(true)
		}
		if err := s.dispatch(env, frames.Owned(), &b); err != nil {
			return answered, err
		}
		if !ready || n >= maxBatch {
			s.pump(&b) // what the answers have made room for
			b.flush()
		}
		if out != nil && (!ready || n >= maxBatch) {
			out.hold(false)
		}
		if n >= maxBatch || !ready {
			n = 0
		}
		if !ready && s.cfg.AfterBatch != nil {
			s.cfg.AfterBatch()
		}
	}
}

// dispatch handles one event. It must not block: one slow reader or handler would
// delay everybody else on the session. owned says that the payload may be kept.
func (s *Session) dispatch(env wire.Envelope, owned bool, b *batch) error {
	switch env.Type {
	case wire.Requested:
		if env.ID == "" {
			// Its answers would be taken for the session's own.
			return &wire.ProtocolError{Class: wire.ClassShape, Reason: "the id of a request is empty"}
		}
		if strings.HasPrefix(env.ID, acceptedPrefix) == s.accepted {
			return &wire.ProtocolError{Class: wire.ClassShape, Reason: "the id of a request is of the other side's set"}
		}
		return s.requested(env.ID, env.Payload, owned, b)
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
		s.pinged(env)
	case wire.Pong:
		s.ponged(env.ID)
	case wire.Closing:
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
		s.rejectWaiting(errClosing)
	case wire.Open:
		s.openedLate(env)
	case wire.Opened:
		if err := s.welcomed(env.Payload); err != nil {
			return err
		}
	default:
		s.stats.unknown.Add(1)
	}
	return nil
}

// told is an error about the session itself, which the other side sends before it
// closes.
func (s *Session) told(err *Error) error {
	return Errorf(Unavailable, "the other node ended the session: %w", err)
}

func (s *Session) credited(env wire.Envelope) {
	var n int64
	var ok, seen bool
	if !wire.Members(env.Payload, func(name, value []byte) {
		if string(name) == "n" {
			n, ok = number(value)
			ok = ok && !seen
			seen = true
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
		if _, streams := s.link.(StreamLink); streams { // elsewhere nothing can overtake its request
			s.early.add(env.ID)
		}
		s.mu.Unlock()
		// It may be the handler's side that stops one of our requests.
		if o := s.takeText(env.ID); o != nil {
			o.fail(Errorf(Aborted, "the other node stopped the request"))
		}
		return
	}
	s.mu.Unlock()
	cause := Errorf(Aborted, "the caller stopped the request")
	if !r.params.deadline.IsZero() && reasonOf(env.Payload) == reasonTimeout {
		// Its clock was a moment faster than ours: the handler is told what happened.
		cause = Errorf(Timeout, "the operation did not finish before its deadline")
	}
	_ = r.end(cause, nil)
}

// reasonTimeout is the reason with which a caller stops a request at its deadline.
const reasonTimeout = "timeout"

// reasonOf reads the payload of call.aborted; "" is none.
func reasonOf(payload []byte) (reason string) {
	wire.Members(payload, func(name, value []byte) {
		if string(name) == "reason" {
			reason, _ = wire.Text(value)
		}
	})
	return reason
}
