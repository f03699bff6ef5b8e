package execop

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

// What a program has started ends with the request: in another session, without a
// parent, or without its environment.
func TestDescendantsEnd(t *testing.T) {
	const child = `echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 60`
	for name, script := range map[string]string{
		"session":             `setsid sh -c '` + child + `' "$1" & sleep 60`,
		"session, two forks":  `(setsid sh -c '` + child + `' "$1" &) ; sleep 60`,
		"without environment": `setsid env -i PATH="$PATH" sh -c '` + child + `' "$1" & sleep 60`,
		"the program ends":    `setsid sh -c '` + child + `' "$1" </dev/null >/dev/null 2>&1 & while [ ! -e "$1" ]; do sleep 0.02; done`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			w := start(t, Config{Grace: 100 * time.Millisecond}, "x:run")
			must(t, w.runner.Register(w.registry, call.OperationSpec{Name: "/x/run"}, []string{"sh", "-c", script, "sh", file}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				_, _ = w.session.Call(ctx, "/x/run", nil)
			}()
			var pid int
			wait(t, func() bool {
				text, err := os.ReadFile(file)
				pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
				return err == nil && pid > 0
			})
			if name != "the program ends" {
				cancel()
			}
			<-answered
			ended(t, pid)
		})
	}
}

func wait(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

func TestVariablesOfTheServiceManager(t *testing.T) {
	for name, stays := range map[string]bool{"NOTIFY_SOCKET": true, "LISTEN_FDS": true, "WATCHDOG_USEC": true, "CREDENTIALS_DIRECTORY": true, "MAINPID": true, "MEMORY_PRESSURE_WATCH": true, "PATH": false, "INVOCATION_ID": false, "JOURNAL_STREAM": false, "LISTENER": false} {
		if ofServiceManager(name) != stays {
			t.Errorf("%s", name)
		}
	}
}
