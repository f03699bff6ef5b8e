package main

import (
	"bufio"
	"context"
	"io"
	"sync"
)

// batch is a buffered writer that flushes by itself: what is written while a flush is under
// way leaves together in the next.
type batch struct {
	mu    sync.Mutex
	w     *bufio.Writer
	after func() error
	kick  chan struct{}
	ended chan struct{}
}

// newBatch writes to w until ctx ends; then ended is closed. after follows each flush.
func newBatch(ctx context.Context, w io.Writer, after func() error) *batch {
	b := &batch{w: bufio.NewWriterSize(w, 64<<10), after: after, kick: make(chan struct{}, 1), ended: make(chan struct{})}
	go func() {
		defer close(b.ended)
		for {
			select {
			case <-b.kick:
				_ = b.writeAnd(true) // the writer keeps its error for the next write
			case <-ctx.Done():
				return
			}
		}
	}()
	return b
}

// write leaves the flush to the batch.
func (b *batch) write(parts ...[]byte) error {
	if err := b.writeAnd(false, parts...); err != nil {
		return err
	}
	select {
	case b.kick <- struct{}{}:
	default:
	}
	return nil
}

// writeAnd flushes only if told to.
func (b *batch) writeAnd(flush bool, parts ...[]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, part := range parts {
		if _, err := b.w.Write(part); err != nil {
			return err
		}
	}
	if !flush {
		return nil
	}
	if err := b.w.Flush(); err != nil {
		return err
	}
	return b.after()
}
