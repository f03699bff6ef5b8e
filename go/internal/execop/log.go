package execop

import (
	"bytes"
	"log/slog"
	"sync"
)

const (
	maxLogLine  = 4 << 10 // bytes; the rest of a longer line is left out
	maxLogLines = 1000    // of one run
)

// logWriter logs each line of a program's stderr.
type logWriter struct {
	logger *slog.Logger

	mu    sync.Mutex
	line  []byte
	count int
}

// Write implements io.Writer. It never fails: a program must not stop for its log.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte{'\n'})
		w.line = append(w.line, part[:min(len(part), maxLogLine-len(w.line))]...)
		if ended {
			w.emit()
		}
		rest = after
	}
	return len(p), nil
}

// flush logs a last line that has no end.
func (w *logWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) > 0 {
		w.emit()
	}
}

func (w *logWriter) emit() {
	w.count++
	switch {
	case w.count <= maxLogLines:
		w.logger.Info("program", "stderr", string(w.line))
	case w.count == maxLogLines+1:
		w.logger.Warn("program writes more to stderr than is logged", "lines", maxLogLines)
	}
	w.line = w.line[:0]
}
