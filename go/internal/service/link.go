package service

import (
	"context"
	"errors"
	"sync"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/transport"
)

// maxQueued is how many bytes may wait for a side that does not read.
const maxQueued = 64 << 20

// link is a connection between a service and a node, either side of it: what is sent
// waits for one goroutine that writes it in batches.
type link struct {
	conn   transport.Conn
	ctx    context.Context // ends with the link
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	wake  sync.Cond // signalled when buf is not empty, or the link is over
	buf   []byte
	spare []byte
	over  bool
	idle  chan struct{} // closed when the writer has ended
}

func newLink(conn transport.Conn) *link {
	l := &link{conn: conn, idle: make(chan struct{})}
	l.wake.L = &l.mu
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	go l.write()
	return l
}

// send queues a message. It does not block; a side that does not read loses the link.
func (l *link) send(typ messageType, id uint64, body any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return call.Errorf(call.Unavailable, "the connection to the service has ended")
	}
	grown, err := appendMessage(l.buf, typ, id, body)
	if err != nil {
		return call.Errorf(call.InvalidInput, "%w", err)
	}
	l.buf = grown
	if len(l.buf) > maxQueued {
		go l.close(errors.New("the other side does not read"))
	}
	l.wake.Signal()
	return nil
}

func (l *link) write() {
	defer close(l.idle)
	for {
		l.mu.Lock()
		for len(l.buf) == 0 && !l.over {
			l.wake.Wait()
		}
		if len(l.buf) == 0 {
			l.mu.Unlock()
			return
		}
		full := l.buf
		l.buf, l.spare = l.spare[:0], nil
		l.mu.Unlock()
		_, err := l.conn.Write(full)
		clear(full) // it may have held a secret
		l.mu.Lock()
		l.spare = full[:0]
		l.mu.Unlock()
		if err != nil {
			l.close(err)
			return
		}
	}
}

// close ends the link; what waits is dropped. It does not wait and is idempotent.
func (l *link) close(why error) {
	l.mu.Lock()
	first := !l.over
	l.over = true
	clear(l.buf)
	l.buf = nil
	l.wake.Broadcast()
	l.mu.Unlock()
	if first {
		l.cancel(why)
		_ = l.conn.CloseWithReason(why.Error())
	}
}

// read gives each message to take until the stream ends or take fails. The first one
// must be a hello.
func (l *link) read(take func(message) error) error {
	var buf []byte
	defer func() { clear(buf) }()
	for first := true; ; first = false {
		m, whole, err := readMessage(l.conn, buf)
		buf = whole
		switch {
		case err != nil:
			return err
		case first != (m.Type == typeHello):
			return errProtocol
		case !first:
			err = take(m)
		}
		clear(buf[:cap(buf)])
		if cap(buf) > growStep {
			buf = nil
		}
		if err != nil {
			return err
		}
	}
}
