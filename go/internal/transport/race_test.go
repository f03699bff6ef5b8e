package transport

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// Nothing listens: the refusal of TCP ends the attempt, in one sentence, long before
// QUIC gives up.
func TestNothingListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "alknet://" + ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Dial(context.Background(), a, DialConfig{Insecure: true})
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want a refusal", err)
	}
	text := err.Error()
	if strings.Contains(text, "\n") || strings.Count(text, ln.Addr().String()) != 2 || !strings.Contains(text, "connection refused; no answer over QUIC") {
		t.Errorf("error %q", text)
	}
}
