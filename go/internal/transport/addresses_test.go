package transport

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func addressesOf(texts ...string) []net.IPAddr {
	all := make([]net.IPAddr, len(texts))
	for i, text := range texts {
		all[i] = net.IPAddr{IP: net.ParseIP(text)}
	}
	return all
}

// An address that does not answer holds up the others for 250 ms, one that fails for no
// time.
func TestFirstOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var dialled []string
		var late []string
		got, err := firstOf(t.Context(), addressesOf("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), func(ctx context.Context, ip net.IPAddr) (string, error) {
			mu.Lock()
			dialled = append(dialled, ip.String())
			mu.Unlock()
			switch ip.String() {
			case "192.0.2.1": // a black hole
				<-ctx.Done()
				return ip.String(), nil // it answered all the same
			case "192.0.2.2":
				return "", errors.New("refused")
			}
			return ip.String(), nil
		}, func(value string) {
			mu.Lock()
			late = append(late, value)
			mu.Unlock()
		})
		if err != nil || got != "192.0.2.3" || time.Since(began) != nextAddress {
			t.Errorf("%q, %v after %v", got, err, time.Since(began))
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(dialled, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}) || !slices.Equal(late, []string{"192.0.2.1"}) {
			t.Errorf("dialled %q, dropped %q", dialled, late)
		}
	})
}

func TestFirstOfNone(t *testing.T) {
	_, err := firstOf(t.Context(), addressesOf("192.0.2.1", "192.0.2.2"), func(_ context.Context, ip net.IPAddr) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED, Addr: &ip}
	}, func(net.Conn) {})
	if !errors.Is(err, syscall.ECONNREFUSED) || strings.Count(err.Error(), "refused") != 2 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
}

// A node that proves another key ends the race before TLS is tried.
func TestMismatchEndsTheRace(t *testing.T) {
	h := listen(t, "quic://127.0.0.1:0", nil)
	address := h.Address()
	ln, err := net.Listen("tcp", address.hostPort())
	must(t, err)
	defer ln.Close()
	seen := make(chan net.Conn, 1)
	go func() {
		if conn, err := ln.Accept(); err == nil {
			seen <- conn
		}
	}()
	address.Scheme, address.Peer = SchemeAlknet, publicOf(newKey(t))
	_, err = Dial(context.Background(), address, DialConfig{Signer: newKey(t), RaceDelay: time.Minute})
	var mismatch *PinMismatchError
	if !errors.As(err, &mismatch) {
		t.Errorf("error %v", err)
	}
	select {
	case conn := <-seen:
		_ = conn.Close()
		t.Error("TLS was tried")
	default:
	}
}
