package engine

import (
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// sessionHandle returns the handle of a session, and gives it one the first time:
// a request may arrive before its session was announced. 0 once it has ended, and
// for a request of the node's own handlers, which has none.
func (e *Environment) sessionHandle(s *call.Session) int64 {
	if s == nil {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if handle, ok := e.handles[s]; ok {
		return handle
	}
	if s.Err() != nil {
		return 0
	}
	handle := e.sessions.add(s)
	e.handles[s] = handle
	return handle
}

func (e *Environment) forgetSession(s *node.Session) {
	e.mu.Lock()
	handle := e.handles[s.Session]
	delete(e.handles, s.Session)
	e.mu.Unlock()
	e.sessions.remove(handle)
}

// sessionInfo tells of a connection's session; it holds it until it ends.
func (e *Environment) sessionInfo(n int64, s *node.Session, address string) []byte {
	handle := e.sessionHandle(s.Session)
	e.run(func() {
		<-s.Done()
		e.forgetSession(s)
	})
	return encode(map[string]any{
		"session": handle, "endpointId": s.EndpointID(), "identity": s.Peer().Identity, "address": address, "transport": s.Transport,
	})
}

func (e *Environment) sessionOpened(n int64, s *node.Session) {
	handle := e.sessionHandle(s.Session)
	e.post(kindSessionOpened, handle, encode(map[string]any{
		"node": n, "identity": s.Identity(), "transport": s.Transport, "remoteAddress": s.Remote.String(), "endpointId": s.EndpointID(),
	}))
}

func (e *Environment) sessionClosed(n int64, s *node.Session) {
	handle := e.sessionHandle(s.Session)
	e.forgetSession(s)
	told := map[string]any{"node": n, "error": nil}
	if err := s.Err(); err != nil {
		told["error"] = AsError(err)
	}
	e.post(kindSessionClosed, handle, encode(told))
}

// encode gives the JSON of what the engine itself has put together.
func encode(value map[string]any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		return []byte("null")
	}
	return text
}
