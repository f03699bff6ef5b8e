package transport

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// A peer that does not read must not make TryWrite block, and what it took must
// arrive in order.
func TestTryWriteNeverBlocks(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	conn := newByteConn(client, KindUnix)
	if conn.eager == nil {
		t.Fatal("a Unix socket has no eager writer")
	}
	var sent []byte
	for i := 0; ; i++ {
		chunk := bytes.Repeat([]byte{byte(i)}, EagerSize)
		ok, err := conn.TryWrite(chunk)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break // the buffer of the socket is full, and the rest waits
		}
		sent = append(sent, chunk...)
	}
	last := []byte("last")
	sent = append(sent, last...)
	written := make(chan error, 1)
	go func() { _, err := conn.Write(last); written <- err }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(server, got); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("write: %v, the bytes arrived in order: %v", err, bytes.Equal(got, sent))
	}
	if ok, err := conn.TryWrite(make([]byte, EagerSize+1)); ok || err != nil {
		t.Errorf("a large write: %v, %v", ok, err)
	}
	server.Close()
	for {
		if ok, err := conn.TryWrite(last); err != nil || !ok {
			break // the closed peer is reported sooner or later
		}
	}
}
