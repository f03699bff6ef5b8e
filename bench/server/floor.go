package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// The floor: u32 length, then u8 type, u32 id and the JSON, which is never looked at.
const (
	fCall, fSub, fEvent, fEnd = 0, 1, 2, 3
	fHead                     = 9
)

func serveFloor(ln net.Listener, config *tls.Config) {
	ln = tls.NewListener(ln, config)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go floorConn(c)
		}
	}()
}

func floorConn(c net.Conn) {
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	br := bufio.NewReaderSize(c, 64<<10)
	bw := bufio.NewWriterSize(c, 64<<10)
	var mu sync.Mutex
	kick := make(chan struct{}, 1) // wakes the flusher, so that events sent together leave together
	go func() {
		for {
			select {
			case <-kick:
				mu.Lock()
				bw.Flush()
				mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	send := func(typ byte, id uint32, p []byte) error {
		var h [fHead]byte
		binary.BigEndian.PutUint32(h[:], uint32(5+len(p)))
		h[4] = typ
		binary.BigEndian.PutUint32(h[5:], id)
		mu.Lock()
		defer mu.Unlock()
		bw.Write(h[:])
		_, err := bw.Write(p)
		select {
		case kick <- struct{}{}:
		default:
		}
		return err
	}
	var buf []byte
	for {
		var h [fHead]byte
		if _, err := io.ReadFull(br, h[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(h[:])) - 5
		if n < 0 || n > 64<<20 {
			return
		}
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		buf = buf[:n]
		if _, err := io.ReadFull(br, buf); err != nil {
			return
		}
		if h[4] == fSub {
			id, req := binary.BigEndian.Uint32(h[5:]), append([]byte(nil), buf...)
			go func() {
				if Events(ctx, req, func(ev []byte, _ bool) error { return send(fEvent, id, ev) }) == nil {
					send(fEnd, id, nil)
				}
			}()
			continue
		}
		mu.Lock()
		bw.Write(h[:])
		_, err := bw.Write(buf)
		if err == nil && br.Buffered() == 0 { // one flush for all the calls that came in together
			err = bw.Flush()
		}
		mu.Unlock()
		if err != nil {
			return
		}
	}
}
