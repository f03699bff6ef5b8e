package node

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// logged is a log that a test can read.
type logged struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote sync.Cond
}

func newLog() *logged {
	l := &logged{}
	l.wrote.L = &l.mu
	return l
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.wrote.Broadcast()
	return l.text.Write(p)
}

// wait returns what was logged, once there is a line with the word, and forgets it.
func (l *logged) wait(word string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.text.String(), word) {
		l.wrote.Wait()
	}
	defer l.text.Reset()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// take returns what was logged since, and forgets it.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

var authLine = regexp.MustCompile(`level=WARN msg=auth result=reject addr=(\S+) method=(\S+) fingerprint=(\S+) reason=(\S+)\n`)

// wantReject wants one line about a refused credential, and no secret beside it.
func (l *logged) wantReject(t *testing.T, method, fingerprint, reason, addr string, secrets ...string) {
	t.Helper()
	text := l.wait("result=reject")
	if fingerprint == "" {
		fingerprint = `""`
	}
	found := authLine.FindAllStringSubmatch(text, -1)
	if len(found) != 1 || found[0][1] != addr || found[0][2] != method || found[0][3] != fingerprint || found[0][4] != reason {
		t.Errorf("logged %q, want addr=%s method=%s fingerprint=%s reason=%s", text, addr, method, fingerprint, reason)
	}
	for _, secret := range secrets {
		if len(secret) > 12 && strings.Contains(text, secret[12:]) {
			t.Errorf("a credential was logged: %q", text)
		}
	}
}
