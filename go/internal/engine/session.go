package engine

import (
	"encoding/json"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/node"
)

// sessionHandle returns the handle of a session of node n, and gives it one and announces
// it the first time: before its first request. 0 once it has ended, and for a request of
// the node's own handlers, which has none.
func (e *Environment) sessionHandle(n int64, s *call.Session) int64 {
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
	told := map[string]any{"node": n, "identity": s.Identity()}
	if of, ok := s.Owner().(*node.Session); ok {
		if of.Dialled() {
			told["node"] = 0 // the application knows it by its connection
		}
		told["transport"], told["remoteAddress"], told["endpointId"] = of.Transport, of.Remote.String(), of.EndpointIDOf(s)
	}
	e.queue.addRaw(kindSessionOpened, handle, encode(told))
	e.queue.wake()
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
	handle := e.sessionHandle(n, s.Session)
	e.run(func() {
		<-s.Done()
		e.forgetSession(s)
		e.post(kindSessionClosed, handle, []byte(`{"node":0,"error":null}`))
	})
	return encode(map[string]any{
		"session": handle, "endpointId": s.EndpointID(), "identity": s.Peer().Identity, "address": address, "transport": s.Transport,
	})
}

func (e *Environment) sessionOpened(n int64, s *node.Session) { e.sessionHandle(n, s.Session) }

func (e *Environment) sessionClosed(n int64, s *node.Session) {
	handle := e.sessionHandle(n, s.Session)
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
