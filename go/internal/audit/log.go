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
	// Count is how many equal events the line stands for; left out for one that is
	// written by itself.
	Count uint64 `json:"count,omitempty"`
	// Changed are keys of the configuration.
	Changed []string `json:"changed,omitempty"`
}

// Log writes events to a file. It is safe for concurrent use, and nobody waits for the
// file: lines are written by a goroutine of its own. A nil *Log records nothing.
type Log struct {
	// OnError is called with how many events could not be written since it was called
	// before, and why the last one could not: at once, and then once a minute. nil ignores
	// that. It is set before the first event.
	OnError func(lost uint64, err error)

	once    sync.Once
	queue   queue
	repeats repeats
}

// start prepares the zero Log.
func (l *Log) start() {
	l.once.Do(func() {
		l.queue.idle.L = &l.queue.mu
		l.queue.onLost = func(n uint64, err error) {
			if l.OnError != nil {
				l.OnError(n, err)
			}
		}
		l.repeats.record = l.write
	})
}

var errFull = fmt.Errorf("%d events wait to be written", maxWaiting)

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
	l.start()
	var next *os.File
	if path != "" {
		// Without waiting: a named pipe that nobody reads is an error.
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|nonblock, 0o600)
		if err != nil {
			return fmt.Errorf("open the audit file: %w", err)
		}
		next = file
	}
	return l.queue.swap(next)
}

// Record writes an event as one line, later. An event that cannot be written is counted:
// what is recorded goes on all the same.
func (l *Log) Record(e Event) {
	if l != nil {
		l.start()
		l.write(e)
	}
}

// RecordRepeated records an event that one caller can cause any number of times. Those
// that are equal but for their times are counted, and written once a second with Count.
func (l *Log) RecordRepeated(e Event) {
	if l != nil {
		l.start()
		l.repeats.add(e)
	}
}

func (l *Log) write(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Round(0)
	text, err := json.Marshal(e)
	if err != nil {
		text = []byte(`{"event":"unwritable"}`) // none of the fields can be so
	}
	l.queue.add(line{append(text, '\n'), max(1, e.Count)})
}

// Flush waits until what was recorded is written, for at most a second.
func (l *Log) Flush() {
	if l != nil {
		l.start()
		l.repeats.flush()
		l.queue.flush(closeTimeout)
	}
}

// Lost returns how many events could not be written.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return l.queue.total
}

// Close ends the recording.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.Flush()
	l.queue.stop()
	return l.Reopen("")
}
