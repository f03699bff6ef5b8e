package call

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
	"github.com/alkdev/alknet/go/internal/wire"
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
	// Refuse, if not nil, is answered in place of opening a session.
	Refuse *Error
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
	// Owner is what the session belongs to: Session.Owner
	// gives it.
	Owner any
	// Certificate is the OpenSSH certificate that the dialling side opens the session
	// with, a line of text; "" for none.
	Certificate string
	// Established is when the link was ready for the first frame, which the open
	// timeout is counted from; zero is now.
	Established time.Time
	// AfterBatch, if set, is called when every frame that had arrived was handled, so
	// that a Sink may put off its own wake-ups until then.
	AfterBatch func()
	// Kept, if set, bounds what the requests of all sessions of the node keep.
	Kept *Budget
	// Waiting, if set, counts the requests of all sessions that wait for their peers.
	Waiting *atomic.Int64
}

// Session is an open conversation with another node. All methods are safe for
// concurrent use.
type Session struct {
	cfg    Config
	id     atomic.Pointer[auth.Identity] // who the other side is now
	renew  atomic.Pointer[Renewer]       // see Recheck
	epoch  atomic.Uint64                 // counts Recheck
	link   Link
	reader *wire.Reader
	out    *output
	peer   atomic.Pointer[Peer]

	ctx      context.Context // ends with the session
	cancel   context.CancelFunc
	done     chan struct{} // closed when everything of the session has ended
	work     sync.WaitGroup
	lastRead atomic.Int64 // Unix nanoseconds
	queued   atomic.Int64 // bytes
	large    largeFrames
	opened   atomic.Bool   // session.open was answered, or sent
	welcome  chan struct{} // closed when session.opened has come; nil on the listening side
	leaving  atomic.Bool   // Shutdown has begun
	deaf     atomic.Bool   // what still comes is dropped: see hangUp
	abrupt   atomic.Bool   // the link is lost, or the other side does not read: see hangUp
	refusing sync.Once     // of abort

	streamsOut atomic.Int64 // further streams that this side has opened

	accepted bool   // this is the listening side
	number   uint64 // of the process's sessions
	stats    stats

	identities identityCache

	mu        sync.Mutex
	err       *Error
	closing   bool // no new requests: one side has said session.closing
	incoming  map[string]*Request
	held      int                  // bytes of the inputs of incoming
	answering int                  // requests that have ended and whose answers are not queued yet
	outgoing  map[uint64]*outgoing // that were sent
	nextID    uint64
	turns     turns
	empty     chan struct{} // closed when the last request is answered; nil unless somebody waits
	parted    chan struct{} // closed when the other side has read all; nil unless somebody waits
	early     abortRing     // ids that were aborted before their request arrived
	reaped    abortRing     // ids of ours that we have told the other side to stop
	alive     *time.Timer
	asked     int64       // when the first ping of the present silence was sent, in Unix nanoseconds; probe's own
	streamsIn int64       // further streams of the other side that have ended
	farewells []*farewell // pings that wait for streams to end
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

// sessions numbers the sessions of the process.
var sessions atomic.Uint64

func newSession(link Link, cfg Config) *Session {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		cfg: cfg, link: link,
		done:     make(chan struct{}),
		incoming: map[string]*Request{},
		outgoing: map[uint64]*outgoing{},
	}
	s.reader = wire.NewReader(watched{s}, cfg.Limits.MaxFrame)
	s.peer.Store(&Peer{MaxFrame: wire.DefaultMaxFrame})
	s.number = sessions.Add(1)
	s.turns.patience = patience
	s.turns.maxFlight, s.turns.maxBytes = defaultInFlight, defaultQueued
	s.out = newOutput(s, link, nil)
	s.id.Store(cfg.Identity)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.large = newLargeFrames(s.ctx, s.cfg.Limits)
	s.lastRead.Store(time.Now().UnixNano())
	return s
}

// start runs the session.
func (s *Session) start() {
	s.run(s.readMain)
	if streams, ok := s.link.(StreamLink); ok {
		s.run(func() { s.acceptStreams(streams) })
	}
	if !s.link.KeepsAlive() {
		s.mu.Lock()
		s.alive = time.AfterFunc(s.cfg.Limits.PingInterval, s.probe)
		s.mu.Unlock()
	}
	context.AfterFunc(s.ctx, func() {
		s.work.Wait()
		close(s.done)
	})
}

// run starts a goroutine of the session.
func (s *Session) run(f func()) {
	s.work.Go(func() {
		defer s.recover()
		f()
	})
}

// recover makes a defect of this package the end of the session that met it: the
// process may be somebody else's.
func (s *Session) recover() {
	if p := recover(); p != nil {
		s.cfg.Logger.Error("session ended by a defect", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		s.abrupt.Store(true)
		s.fail(Errorf(Internal, "the session met a defect of this node"), "INTERNAL: a defect of the node")
	}
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
func (s *Session) Peer() Peer { return *s.peer.Load() }

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

func (s *Session) requests() []*Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Request, 0, len(s.incoming))
	for _, r := range s.incoming {
		all = append(all, r)
	}
	return all
}

// addQueued accounts for bytes that wait to be sent. A peer that makes the node
// answer but does not read loses the session.
func (s *Session) addQueued(n int) {
	limit := s.cfg.Limits.MaxQueued + s.cfg.Limits.MaxFrame + min(s.cfg.Limits.MaxQueued, queueSlack)
	queued := s.queued.Add(int64(n))
	if n < 0 && queued-int64(n) > int64(s.cfg.Limits.MaxQueued) {
		go s.pump(nil) // the caller may hold the lock of a request
	}
	if queued > int64(limit) && n > 0 {
		s.abrupt.Store(true)
		go s.fail(Errorf(ResourceExhausted, "the other node does not read: %d bytes wait for it", s.cfg.Limits.MaxQueued), "you do not read what you asked for")
	}
}

func (s *Session) oversized(payload int) bool {
	const envelope = 512 // type, id and braces around a payload, generously
	return payload+envelope > s.peer.Load().MaxFrame
}

// openOutput opens a stream of its own for one request, or returns nil where the
// link has none to give.
func (s *Session) openOutput() (*output, SendStream) {
	streams, ok := s.link.(StreamLink)
	if !ok {
		return nil, nil
	}
	stream, err := streams.OpenStream()
	if err != nil {
		return nil, nil
	}
	s.streamsOut.Add(1)
	return newOutput(s, stream, func() { _ = stream.Close() }), stream
}
