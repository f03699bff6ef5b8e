package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
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
	out := newBatch(ctx, c, func() error { return nil })
	head := func(typ byte, id uint32, p []byte) []byte {
		h := make([]byte, 0, fHead)
		h = append(binary.BigEndian.AppendUint32(h, uint32(5+len(p))), typ)
		return binary.BigEndian.AppendUint32(h, id)
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
				if Events(ctx, req, func(ev []byte) error { return out.write(head(fEvent, id, ev), ev) }) == nil {
					_ = out.write(head(fEnd, id, nil))
				}
			}()
			continue
		}
		// One flush for all the calls that came in together.
		if err := out.writeAnd(br.Buffered() == 0, h[:], buf); err != nil {
			return
		}
	}
}
