package call

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/auth"
	"github.com/alkdev/alknet/go/wire"
)

// TokenVerifier turns a token into an identity; auth.IdentityProvider is one.
type TokenVerifier interface {
	IdentityFromToken(ctx context.Context, token string) (*auth.Identity, error)
}

// CertificateVerifier turns the certificate of a session.open, and the token that
// came with it where the transport proves no key, into an identity.
type CertificateVerifier interface {
	IdentityFromCertificate(ctx context.Context, certificate, token string) (*auth.Identity, error)
}

// Config is what a session knows of its node and of its peer.
type Config struct {
	// Registry answers the other side's requests. Required.
	Registry *Registry
	// Limits; the zero value means the defaults.
	Limits Limits
	// Logger; nil discards.
	Logger *slog.Logger
	// Identity is who the other side is, as its transport has proven; nil with
	// KeyProven false when the transport carries no key.
	Identity  *auth.Identity
	KeyProven bool
	// Tokens verifies tokens of the other side; nil refuses them all.
	Tokens TokenVerifier
	// Certificates verifies certificates of the other side; nil refuses them all.
	Certificates CertificateVerifier
	// AllowAnonymous lets the other side open the session without a credential.
	AllowAnonymous bool
	// TrustForwarded marks the other side as a head that this node has pinned: it is
	// believed on whose behalf it passes requests on. Elsewhere such requests are
	// FORBIDDEN. Set it only where the other side has proven the key that was pinned.
	TrustForwarded bool
	// Origin says where the other side is, for observers.
	Origin string
	// Node is this node's endpoint id, as told to the other side.
	Node string
	// Agent names this side's software and version, as told to the other side.
	Agent string
	// Token makes the token that the dialling side opens the session with; nil for none.
	Token func() (string, error)
	// Owner is what the session belongs to, for handlers that want to know: Session.Owner
	// gives it.
	Owner any
	// Certificate is the OpenSSH certificate that the dialling side opens the session
	// with, a line of text; "" for none.
	Certificate string
	// AfterBatch, if set, is called when every frame that had arrived was handled, so
	// that a Sink may put off its own wake-ups until then.
	AfterBatch func()
}

// Session is an open conversation with another node. All methods are safe for
// concurrent use.
type Session struct {
	cfg    Config
	id     atomic.Pointer[auth.Identity] // who the other side is now
	link   Link
	reader *wire.Reader
	out    *output
	peer   Peer

	ctx      context.Context // ends with the session
	cancel   context.CancelFunc
	done     chan struct{} // closed when everything of the session has ended
	work     sync.WaitGroup
	lastRead atomic.Int64 // Unix nanoseconds
	queued   atomic.Int64 // bytes
	large    largeFrames
	opened   atomic.Bool // session.opened was sent
	leaving  atomic.Bool // Shutdown has begun: new answers take the main stream
	accepted bool        // this is the listening side
	stats    stats

	identities identityCache

	mu        sync.Mutex
	err       *Error
	closing   bool // no new requests: one side has said session.closing
	incoming  map[string]*Request
	held      int // bytes of the inputs of incoming
	answering int // requests that have ended and whose answers are not queued yet
	outgoing  map[uint64]*outgoing
	nextID    uint64
	empty     chan struct{} // closed when the last request is answered; nil unless somebody waits
	parted    chan struct{} // closed when the other side has read all; nil unless somebody waits
	early     abortRing     // ids that were aborted before their request arrived
	reaped    abortRing     // ids of ours that we have told the other side to stop
	alive     *time.Timer
}

// Peer is what the other side said of itself when the session was opened.
type Peer struct {
	Node     string         // its endpoint id; "" if it did not say
	Agent    string         // its software
	Identity *auth.Identity // who the other side takes us for (dialling side only)
	MaxFrame int            // the largest frame body it takes, in bytes
}

// stats count what the protocol drops without an answer.
type stats struct {
	dropped atomic.Uint64 // events after the end of their request, or for unknown ids
	unknown atomic.Uint64 // events of an unknown type
}

// Stats are a session's counters.
type Stats struct {
	Dropped uint64 `json:"dropped"` // events that came after the end of their request
	Unknown uint64 `json:"unknown"` // events of an unknown type
}

// Stats returns the counters of what was dropped.
func (s *Session) Stats() Stats {
	return Stats{s.stats.dropped.Load(), s.stats.unknown.Load()}
}

func newSession(link Link, cfg Config) *Session {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		cfg: cfg, link: link,
		reader:   wire.NewReader(link, cfg.Limits.MaxFrame),
		done:     make(chan struct{}),
		incoming: map[string]*Request{},
		outgoing: map[uint64]*outgoing{},
		peer:     Peer{MaxFrame: wire.DefaultMaxFrame},
	}
	s.out = newOutput(s, link, nil)
	s.id.Store(cfg.Identity)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.large = newLargeFrames(s.ctx, s.cfg.Limits)
	s.lastRead.Store(time.Now().UnixNano())
	return s
}

// start runs the session; first is a frame that was read while it was opened.
func (s *Session) start() {
	s.work.Go(s.readMain)
	if streams, ok := s.link.(StreamLink); ok {
		s.work.Go(func() { s.acceptStreams(streams) })
	}
	if !s.link.KeepsAlive() {
		s.mu.Lock()
		s.alive = time.AfterFunc(s.cfg.Limits.PingInterval, s.probe)
		s.mu.Unlock()
	}
	go func() {
		<-s.ctx.Done()
		s.work.Wait()
		close(s.done)
	}()
}

// Identity returns who the other side is; nil is anonymous.
func (s *Session) Identity() *auth.Identity { return s.id.Load() }

// Origin returns Config.Origin.
func (s *Session) Origin() string { return s.cfg.Origin }

// SetIdentity changes what the other side may do: requests that come from now on are
// judged by it. Those that run are not.
func (s *Session) SetIdentity(id *auth.Identity) { s.id.Store(id) }

// Owner returns Config.Owner.
func (s *Session) Owner() any { return s.cfg.Owner }

// TrustsForwarded reports whether the other side is believed on whose behalf it
// passes requests on: see Config.TrustForwarded.
func (s *Session) TrustsForwarded() bool { return s.cfg.TrustForwarded }

// Peer returns what the other side said of itself.
func (s *Session) Peer() Peer { return s.peer }

// Context ends as soon as the session does, before Done: nothing can be sent any more.
func (s *Session) Context() context.Context { return s.ctx }

// Done is closed when the session has ended and every pending request was failed.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, or nil while it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return s.err
}

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
	s.out.add(wire.Closing, "", emptyObject)
	s.out.kick()
	select {
	case <-empty:
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	unavailable := Errorf(Unavailable, "the node is shutting down")
	for _, r := range s.requests() {
		_ = r.end(unavailable, func() { r.tellFailed(unavailable) })
	}
	s.part()
	s.Close(reason)
}

// partingID is the id of the ping that ends a session.
const partingID = "parting"

// part waits until the other side has read the last frames: it answers a ping after
// what came before it. That they were written is not enough, since a transport may
// drop what is under way when it is closed, and QUIC does.
func (s *Session) part() {
	s.mu.Lock()
	if s.parted == nil {
		s.parted = make(chan struct{})
	}
	parted := s.parted
	s.mu.Unlock()
	s.out.add(wire.Ping, partingID, emptyObject)
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
	late := time.AfterFunc(farewellTime, func() { s.out.abandon() })
	s.out.drain()
	late.Stop()
}

func (s *Session) requests() []*Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Request, 0, len(s.incoming))
	for _, r := range s.incoming {
		all = append(all, r)
	}
	return all
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
	alive := s.alive
	s.mu.Unlock()

	if alive != nil {
		alive.Stop()
	}
	s.out.abandon()
	_ = s.link.Close(told)
	lost := err
	if lost.Code != Unavailable {
		lost = Errorf(Unavailable, "the session ended: %s", err.Message)
	}
	for _, o := range pending {
		o.fail(lost)
	}
	for _, r := range s.requests() {
		_ = r.end(lost, nil)
	}
	if s.cfg.AfterBatch != nil {
		s.cfg.AfterBatch()
	}
	s.cancel()
}

// breach ends the session because the other side broke the protocol, and tells it.
func (s *Session) breach(err error) {
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
	if !ok || !codePattern.MatchString(code) {
		return nil
	}
	return Errorf(Code(code), "%s", message)
}

// addQueued accounts for bytes that wait to be sent. A peer that makes the node
// answer but does not read loses the session.
func (s *Session) addQueued(n int) {
	limit := s.cfg.Limits.MaxQueued + s.cfg.Limits.MaxFrame + min(s.cfg.Limits.MaxQueued, queueSlack)
	if s.queued.Add(int64(n)) > int64(limit) && n > 0 {
		go s.fail(Errorf(ResourceExhausted, "the other node does not read: %d bytes wait for it", s.cfg.Limits.MaxQueued), "you do not read what you asked for")
	}
}

func (s *Session) oversized(payload int) bool {
	const envelope = 512 // type, id and braces around a payload, generously
	return payload+envelope > s.peer.MaxFrame
}

// openOutput opens a stream of its own for one request, or returns nil where the
// link has none to give, and while the session is being ended, when only the main
// stream's order shows that everything has arrived.
func (s *Session) openOutput() (*output, SendStream) {
	streams, ok := s.link.(StreamLink)
	if !ok || s.leaving.Load() {
		return nil, nil
	}
	stream, err := streams.OpenStream()
	if err != nil {
		return nil, nil
	}
	return newOutput(s, stream, func() { _ = stream.Close() }), stream
}

// probe sends a ping on a silent byte stream and ends the session on a dead one.
func (s *Session) probe() {
	silent := time.Since(time.Unix(0, s.lastRead.Load()))
	if silent >= s.cfg.Limits.DeadAfter {
		s.fail(Errorf(Unavailable, "the other node has been silent for %d s", int(silent.Seconds())), "silent for too long")
		return
	}
	if silent >= s.cfg.Limits.PingInterval {
		s.out.add(wire.Ping, "", emptyObject)
		s.out.kick()
	}
	s.mu.Lock()
	if s.err == nil {
		s.alive.Reset(s.cfg.Limits.PingInterval)
	}
	s.mu.Unlock()
}
