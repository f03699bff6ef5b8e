package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// serveNATS embeds the broker. The responder still reaches it over loopback with TLS,
// as in production, where it is a process of its own.
func serveNATS(config *tls.Config, ca string) (string, error) {
	broker, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, TLSConfig: config, TLSTimeout: 5,
	})
	if err != nil {
		return "", err
	}
	go broker.Start()
	if !broker.ReadyForConnections(5 * time.Second) {
		return "", errors.New("nats-server did not start in 5 s")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	responder, err := nats.Connect(broker.ClientURL(), nats.Secure(&tls.Config{RootCAs: roots}))
	if err != nil {
		return "", err
	}
	if _, err := responder.Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return "", err
	}
	// A subscription is an inbox of the client; an empty message ends it.
	if _, err := responder.Subscribe("subscribe", func(m *nats.Msg) {
		go func() {
			if Events(context.Background(), m.Data, func(ev []byte) error { return responder.Publish(m.Reply, ev) }) == nil {
				_ = responder.Publish(m.Reply, nil)
			}
		}()
	}); err != nil {
		return "", err
	}
	if err := responder.Flush(); err != nil {
		return "", err
	}
	return broker.Addr().String(), nil
}
