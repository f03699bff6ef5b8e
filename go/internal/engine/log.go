package engine

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
)

// queueHandler turns log records into completions.
type queueHandler struct {
	queue *queue
	wake  func()
	attrs []slog.Attr
}

func (h queueHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h queueHandler) Handle(_ context.Context, record slog.Record) error {
	attributes := map[string]string{}
	for _, a := range h.attrs {
		attributes[a.Key] = a.Value.String()
	}
	record.Attrs(func(a slog.Attr) bool {
		attributes[a.Key] = a.Value.String()
		return true
	})
	payload, err := json.Marshal(map[string]any{"level": strings.ToLower(record.Level.String()), "message": record.Message, "attributes": attributes})
	if err != nil {
		return err
	}
	h.queue.addRaw(kindLog, 0, payload)
	h.wake()
	return nil
}

func (h queueHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(slices.Clip(h.attrs), attrs...)
	return h
}

// WithGroup keeps attributes flat: nothing below groups them.
func (h queueHandler) WithGroup(string) slog.Handler { return h }
