package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// recorder hands out ones and remembers where it wrote them.
type recorder struct {
	left   int
	err    error // at the end
	places [][]byte
}

func (r *recorder) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.err
	}
	n := copy(p, bytes.Repeat([]byte{1}, min(r.left, 10_000)))
	r.left -= n
	r.places = append(r.places, p[:n])
	return n, nil
}

// What is read is in the result, and nowhere else.
func TestReadWiped(t *testing.T) {
	failure := errors.New("failure")
	for _, c := range []struct {
		size, limit int
		end, want   error
	}{
		{0, 100, io.EOF, nil}, {100, 100, io.EOF, nil}, {101, 100, io.EOF, errTooLong},
		{1 << 20, 1 << 20, io.EOF, nil}, {1<<20 + 1, 1 << 20, io.EOF, errTooLong}, {300_000, 1 << 20, failure, failure},
	} {
		r := &recorder{left: c.size, err: c.end}
		data, err := readWiped(context.Background(), r, c.limit)
		if !errors.Is(err, c.want) || err == nil && !bytes.Equal(data, bytes.Repeat([]byte{1}, c.size)) {
			t.Errorf("%d bytes of %d: %d, %v", c.size, c.limit, len(data), err)
		}
		clear(data)
		for _, place := range r.places {
			if bytes.IndexByte(place, 1) >= 0 {
				t.Errorf("%d bytes of %d: a copy is left", c.size, c.limit)
				break
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	silent, w := io.Pipe()
	defer w.Close()
	if _, err := readWiped(ctx, silent, 100); !errors.Is(err, errInterrupted) {
		t.Errorf("interrupted: %v", err)
	}
}
