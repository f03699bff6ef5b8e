package call

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/wire"
)

// Close ends the session at once: what is pending on either side fails with
// UNAVAILABLE. It is idempotent and returns when everything has ended.
func (s *Session) Close(reason string) {
	s.fail(Errorf(Unavailable, "the session was closed: %s", reason), reason)
	<-s.done
}

// End ends the session with an error that the other side is told. It returns when
// everything has ended.
func (s *Session) End(err *Error) {
	s.out.addBuilt(wire.Failed, "", err.AppendJSON)
	s.farewell()
	s.fail(Errorf(Unavailable, "the session was ended: %s", err.Message), err.Error())
	<-s.done
}

// Shutdown ends the session in order: it tells the other side, takes no new
// request, and lets those that run finish until ctx ends; the rest fail with
// UNAVAILABLE. It returns when everything has ended.
func (s *Session) Shutdown(ctx context.Context, reason string) {
	s.leaving.Store(true)
	s.mu.Lock()
	s.closing = true
	if s.empty == nil {
		s.empty = make(chan struct{})
		if s.idle() {
			close(s.empty)
		}
	}
	empty := s.empty
	s.mu.Unlock()
	s.rejectWaiting(errClosing)
	s.out.add(wire.Closing, "", emptyObject)
	s.out.kick()
	select {
	case <-empty:
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	unavailable := Errorf(Unavailable, "the node is shutting down")
	for _, r := range s.requests() {
		_ = r.finish(unavailable, func() { r.tellFailed(unavailable) }, kick) // never blocked by a peer that does not read
	}
	s.part()
	s.Close(reason)
}

// partingID is the id of the ping that ends a session.
const partingID = "parting"

// part waits until the other side has read the last frames: it answers a ping after
// what came before it on the main stream, and after the further streams that the ping
// counts have ended. That they were written is not enough, since a transport may drop
// what is under way when it is closed, and QUIC does.
func (s *Session) part() {
	s.mu.Lock()
	if s.parted == nil {
		s.parted = make(chan struct{})
	}
	parted := s.parted
	s.mu.Unlock()
	s.out.addBuilt(wire.Ping, partingID, func(dst []byte) []byte {
		return append(strconv.AppendInt(append(dst, `{"streams":`...), s.streamsOut.Load(), 10), '}')
	})
	s.farewell()
	late := time.NewTimer(farewellTime)
	defer late.Stop()
	select {
	case <-parted:
	case <-s.ctx.Done():
	case <-late.C:
	}
}

// ponged takes the answer to the parting ping.
func (s *Session) ponged(id string) {
	if id != partingID || !s.leaving.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parted == nil {
		return
	}
	select {
	case <-s.parted:
	default:
		close(s.parted)
	}
}

// farewellTime is how long the last frames may take to leave; a peer that does not
// read must not hold up a shutdown.
const farewellTime = time.Second

// farewell waits for the last frames to be written.
func (s *Session) farewell() {
	s.out.hold(false) // the caller may be the goroutine that held it
	late := time.AfterFunc(farewellTime, func() { s.out.abandon() })
	s.out.drain()
	late.Stop()
}

// fail ends the session with err; told is what the other side's transport shows.
// It does not wait.
func (s *Session) fail(err *Error, told string) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	pending := s.outgoing
	s.outgoing = map[uint64]*outgoing{}
	waiting := s.drainWaiting()
	alive := s.alive
	s.mu.Unlock()

	if alive != nil {
		alive.Stop()
	}
	s.out.abandon()
	s.hangUp(told)
	lost := err
	if lost.Code != Unavailable {
		lost = Errorf(Unavailable, "the session ended: %s", err.Message)
	}
	for _, o := range pending {
		o.fail(lost)
	}
	for _, o := range waiting {
		o.fail(unsent(lost))
	}
	for _, r := range s.requests() {
		_ = r.end(lost, nil)
	}
	if s.cfg.AfterBatch != nil {
		s.cfg.AfterBatch()
	}
	s.cancel()
}

// lingerTime is how long a side reads on after its last frame.
const lingerTime = time.Second

// hangUp closes the link after the last frame. On a byte stream, to close at once while
// the other side still writes would have its system drop what it has not read yet, the
// last frame included (RFC 9112, section 9.6). So the writing side ends first, and what
// still comes is dropped, until the other side has closed or lingerTime has passed. It
// does not wait.
func (s *Session) hangUp(told string) {
	half, ok := s.link.(HalfCloser)
	if !ok || s.abrupt.Load() {
		_ = s.link.Close(told)
		return
	}
	s.deaf.Store(true)
	s.work.Go(func() {
		late := time.AfterFunc(lingerTime, func() { _ = s.link.Close(told) })
		defer late.Stop()
		if half.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, readOnly{s.link})
		}
		_ = s.link.Close(told)
	})
}

// readOnly hides what else a link can do.
type readOnly struct{ io.Reader }

// breach ends the session because the other side broke the protocol, and tells it.
func (s *Session) breach(err error) {
	if s.Err() != nil {
		return // it has ended, and this is the end of what was read after that
	}
	e := Errorf(ProtocolError, "%s", err.Error())
	s.cfg.Logger.Warn("session ended", "code", ProtocolError, "reason", err.Error())
	s.out.addBuilt(wire.Failed, "", e.AppendJSON)
	s.farewell()
	s.fail(e, e.Error())
}

// writeFailed is called by an output whose stream does not take bytes any more.
func (s *Session) writeFailed(o *output, err error) {
	if o == s.out {
		s.lost(err)
	}
}

// lost ends the session because its link did.
func (s *Session) lost(err error) {
	s.abrupt.Store(true)
	if errors.Is(err, io.EOF) {
		s.fail(Errorf(Unavailable, "the other node has closed the session"), "")
		return
	}
	if told := closeReason(err); told != nil {
		s.fail(Errorf(Unavailable, "the other node ended the session: %w", told), "")
		return
	}
	s.fail(Errorf(Unavailable, "the session was lost: %w", err), "")
}

// closeReason reads the "CODE: message" that a transport with close reasons carries
// beside the last frames, which may not arrive there.
func closeReason(err error) *Error {
	var closed interface{ CloseReason() string }
	if !errors.As(err, &closed) {
		return nil
	}
	code, message, ok := strings.Cut(closed.CloseReason(), ": ")
	if !ok || !isCode(code) {
		return nil
	}
	return Errorf(Code(code), "%s", message)
}
