// Command benchd serves the benchmark's two operations over one protocol:
//
//	echo    answers a call with the JSON it was given
//	events  answers with a stream of events, see source.go
//
// It prints one line of JSON that says where it listens, and ends with its stdin.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// These serve on ln with TLS.
var modes = map[string]func(ln net.Listener, config *tls.Config){
	"floor": serveFloor, "ws-json": serveWebSocket, "grpc": serveGRPC, "http1": serveHTTP1, "http2": serveHTTP2,
}

// atEnd cleans up behind a mode.
var atEnd = func() {}

func main() {
	mode := flag.String("mode", "", "floor, ws-json, grpc, http1, http2, nats, alknet-quic, alknet-tls, alknet-tcp or alknet-unix; or load or worker, see load.go")
	flag.Parse()
	if run := map[string]func() error{"load": load, "worker": worker}[*mode]; run != nil {
		if err := run(); err != nil {
			log.Fatal(err)
		}
		return
	}
	told, err := start(*mode)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	atEnd()
}

func start(mode string) (map[string]string, error) {
	if transport, ok := strings.CutPrefix(mode, "alknet-"); ok {
		return serveAlknet(transport)
	}
	config, ca, err := selfSigned()
	if err != nil {
		return nil, err
	}
	if mode == "nats" { // it makes its own listener
		addr, err := serveNATS(config, ca)
		return map[string]string{"addr": addr, "ca": ca}, err
	}
	serve := modes[mode]
	if serve == nil {
		return nil, fmt.Errorf("unknown -mode %q", mode)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	serve(ln, config)
	return map[string]string{"addr": ln.Addr().String(), "ca": ca}, nil
}

// selfSigned makes a certificate for this run, and its PEM text for the client.
func selfSigned() (*tls.Config, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, "", err
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return config, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}
