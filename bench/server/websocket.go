package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

// ws-json: {"id","method","params"} -> {"id","result"}; subscription: {"id","event"}… {"id","end":true}

func serveWebSocket(ln net.Listener, config *tls.Config) {
	server := &http.Server{Handler: http.HandlerFunc(answerWebSocket), TLSConfig: config}
	go server.ServeTLS(ln, "", "")
}

func answerWebSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil) // no compression: its default
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(32 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	send := func(id uint64, key string, val []byte) error {
		m := make([]byte, 0, len(val)+40)
		m = strconv.AppendUint(append(m, `{"id":`...), id, 10)
		m = append(append(append(m, `,"`...), key...), `":`...)
		return c.Write(ctx, websocket.MessageText, append(append(m, val...), '}'))
	}
	for {
		_, msg, err := c.Read(ctx)
		if err != nil {
			return
		}
		var q struct {
			ID     uint64          `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		if json.Unmarshal(msg, &q) != nil {
			return
		}
		go func() { // a handler may block, so each has its goroutine, as in the other servers
			switch q.Method {
			case "echo":
				send(q.ID, "result", q.Params)
			case "subscribe":
				if Events(ctx, q.Params, func(ev []byte) error { return send(q.ID, "event", ev) }) == nil {
					send(q.ID, "end", []byte("true"))
				}
			}
		}()
	}
}
