package main

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/alkdev/alknet/bench/server/gen"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

type grpcBench struct{ gen.UnimplementedBenchServer }

func serveGRPC(ln net.Listener, config *tls.Config) {
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	gen.RegisterBenchServer(s, grpcBench{})
	go s.Serve(ln)
}

func (grpcBench) Echo(_ context.Context, m *gen.Msg) (*gen.Msg, error) { return m, nil }

func (grpcBench) Subscribe(m *gen.Msg, s grpc.ServerStreamingServer[gen.Msg]) error {
	return Events(s.Context(), m.Json, func(ev []byte) error { return s.Send(&gen.Msg{Json: ev}) })
}
