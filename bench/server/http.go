package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
)

var newline = []byte{'\n'}

func serveHTTP1(ln net.Listener, config *tls.Config) {
	serveHTTP(ln, config, func(s *http.Server) { s.Protocols.SetHTTP1(true) })
}

func serveHTTP2(ln net.Listener, config *tls.Config) {
	serveHTTP(ln, config, func(s *http.Server) {
		s.Protocols.SetHTTP2(true)
		s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2000} // 250 by default: too few for row e
	})
}

// serveHTTP takes POSTs of JSON. A subscription is one answer, with one JSON object a line.
func serveHTTP(ln net.Listener, config *tls.Config, choose func(*http.Server)) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("POST /subscribe", func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		controller := http.NewResponseController(w)
		if controller.Flush() != nil {
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		lines := newBatch(ctx, w, controller.Flush)
		_ = Events(ctx, body, func(ev []byte) error { return lines.write(ev, newline) })
		cancel()
		<-lines.ended // w is not to be used after this handler
		_ = lines.writeAnd(true)
	})
	server := &http.Server{Handler: mux, TLSConfig: config, Protocols: new(http.Protocols)}
	choose(server)
	go server.ServeTLS(ln, "", "")
}

func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(r.Body)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}
