// Package audit records who did what: one JSON object a line, in a file that only
// grows.
//
// An Event names the caller, the operation and how it ended; it never holds a value
// that was given or returned. The file is opened again by Reopen, so that it can be
// moved away and replaced by an empty one.
package audit

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Event is one line of the file. Fields that are empty are left out.
type Event struct {
	// Time, in UTC; Record fills it in where it is zero.
	Time time.Time `json:"time"`
	// Event is what it is about, such as "request" or "node.joined".
	Event string `json:"event"`
	// Identity is who did it: a fingerprint, the prefix of an API key, or "" for an
	// anonymous caller or the node itself.
	Identity string `json:"identity,omitempty"`
	// Address is where they came from, without a port.
	Address string `json:"address,omitempty"`
	// Operation is the path that was called.
	Operation string `json:"operation,omitempty"`
	// Node is the name of a node that has registered.
	Node string `json:"node,omitempty"`
	// Code is why it was refused or failed; "" when it went well.
	Code string `json:"code,omitempty"`
	// Method and Reason are those of a credential that was refused.
	Method string `json:"method,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Action, Path and Type are what was done with a secret store's key.
	Action string `json:"action,omitempty"`
	Path   string `json:"path,omitempty"`
	Type   string `json:"type,omitempty"`
	// Service is what a credential signs in to; Action and Type are what was done with
	// it and of what type it is.
	Service string `json:"service,omitempty"`
	// Changed are keys of the configuration.
	Changed []string `json:"changed,omitempty"`
}

// Log writes events to a file. It is safe for concurrent use. A nil *Log records
// nothing.
type Log struct {
	// OnError is told of each event that could not be written; nil ignores that. It is
	// set before the first event.
	OnError func(error)

	lost atomic.Uint64

	mu   sync.Mutex
	path string
	file *os.File // nil where path is ""
}

// Open opens a file, and makes it, readable by its owner alone, when it is missing. An
// empty path is a Log that records nothing until Reopen names a file.
func Open(path string) (*Log, error) {
	l := &Log{}
	if err := l.Reopen(path); err != nil {
		return nil, err
	}
	return l, nil
}

// Reopen goes on in the file of that name, which may be the present one's, moved away
// or not; "" records nothing any more. On an error it goes on in the present file.
func (l *Log) Reopen(path string) error {
	var next *os.File
	if path != "" {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("open the audit file: %w", err)
		}
		next = file
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.file
	l.path, l.file = path, next
	if old != nil {
		return old.Close()
	}
	return nil
}

// Record writes an event as one line. An event that cannot be written is counted and
// told to OnError: what is recorded goes on all the same.
func (l *Log) Record(e Event) {
	if l == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Round(0)
	line, err := json.Marshal(e)
	if err == nil {
		err = l.write(append(line, '\n'))
	}
	if err != nil {
		l.lost.Add(1)
		if l.OnError != nil {
			l.OnError(err)
		}
	}
}

func (l *Log) write(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	_, err := l.file.Write(line) // one write: lines of several processes do not mix
	return err
}

// Lost returns how many events could not be written.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// Close ends the recording.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	return l.Reopen("")
}
