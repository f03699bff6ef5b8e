package transport

import (
	"net"
	"sync"
	"syscall"
)

// eagerConn is a socket to which a caller who must not block can write too: what
// the kernel does not take at once follows in the background.
type eagerConn struct {
	net.Conn
	raw syscall.RawConn

	mu      sync.Mutex
	idle    sync.Cond // signalled when rest has been written
	eager   bool      // Write must not block now
	writing bool      // a Write that may block is under way
	rest    []byte    // what waits for the background
	err     error     // of the background
}

// newEagerConn wraps a socket; it returns nil where that cannot be done.
func newEagerConn(conn net.Conn) *eagerConn {
	socket, ok := conn.(syscall.Conn)
	if !ok || !canWriteEagerly {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	c := &eagerConn{Conn: conn, raw: raw}
	c.idle.L = &c.mu
	return c
}

// begin makes writes not block until end. It fails while an earlier write has not
// gone out, because then a further one would have to wait.
func (c *eagerConn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.eager = !c.writing && c.rest == nil && c.err == nil
	return c.eager
}

func (c *eagerConn) end() {
	c.mu.Lock()
	c.eager = false
	c.mu.Unlock()
}

// Write implements net.Conn.
func (c *eagerConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.eager {
		defer c.mu.Unlock()
		return c.writeEagerly(p)
	}
	for c.rest != nil {
		c.idle.Wait()
	}
	if err := c.err; err != nil {
		c.mu.Unlock()
		return 0, err
	}
	c.writing = true
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.writing = false
	c.mu.Unlock()
	return n, err
}

// writeEagerly takes all of p. Called with c.mu held.
func (c *eagerConn) writeEagerly(p []byte) (int, error) {
	if c.rest != nil {
		c.rest = append(c.rest, p...)
		return len(p), nil
	}
	n := 0
	var failed error
	if err := c.raw.Write(func(fd uintptr) bool {
		n, failed = writeNow(fd, p)
		return true // whatever it took: do not wait until the socket is writable
	}); err != nil {
		return 0, err
	}
	if failed != nil {
		return n, failed
	}
	if n < len(p) {
		c.rest = append([]byte(nil), p[n:]...)
		go c.writeRest()
	}
	return len(p), nil
}

// settle waits until nothing is left to the background.
func (c *eagerConn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.rest != nil {
		c.idle.Wait()
	}
}

// writeRest ends when everything is written, or with the socket.
func (c *eagerConn) writeRest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for done := 0; done < len(c.rest) && c.err == nil; {
		chunk := c.rest[done:]
		c.mu.Unlock()
		n, err := c.Conn.Write(chunk)
		c.mu.Lock()
		done += n
		c.err = err
	}
	c.rest = nil
	c.idle.Broadcast()
}
