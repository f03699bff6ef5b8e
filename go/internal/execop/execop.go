// Package execop offers programs of this machine as operations: a request starts the
// program, its input is JSON on the program's stdin, and what the program writes to
// stdout is the answer.
//
// A query or a mutation answers with the one JSON value that the program writes, or
// null when it writes nothing; a subscription sends each line, a JSON value, as an
// event, and a program that writes faster than its caller reads is held up at its
// pipe. Each program runs in a process group of its own, which is ended with the
// request, whatever it has started; on Linux what it has started in other groups and
// sessions too. What it writes to stderr is logged here and goes
// nowhere else.
package execop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/share"
)

// Config configures a Runner. The zero value means the defaults.
type Config struct {
	// MaxAtOnce is how many programs may run at the same time, of which each caller has a
	// share; one more is RESOURCE_EXHAUSTED: 0 means four for each CPU.
	MaxAtOnce int
	// MaxOutput is how much a query or a mutation may write, and how long a line of a
	// subscription may be, in bytes: 0 means 8 MiB.
	MaxOutput int
	// Grace is how long a program that is to end may take after SIGTERM: 0 means 2 s.
	Grace time.Duration
	// Logger takes what the programs write to stderr; nil discards.
	Logger *slog.Logger
}

// Runner runs the programs of a worker. It is safe for concurrent use.
type Runner struct {
	cfg     Config
	running *share.Places
}

// New makes a Runner.
func New(cfg Config) *Runner {
	cfg.MaxAtOnce = cmp.Or(max(cfg.MaxAtOnce, 0), 4*runtime.NumCPU())
	cfg.MaxOutput = cmp.Or(max(cfg.MaxOutput, 0), 8<<20)
	cfg.Grace = cmp.Or(max(cfg.Grace, 0), 2*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{cfg: cfg, running: share.New(cfg.MaxAtOnce)}
}

// Failed is the code of a program that ended with another status than 0 and did not
// say more itself: the details hold {"status":n} or {"signal":"…"}.
const Failed call.Code = "PROGRAM_FAILED"

// Register offers a program under spec. command is the program, which is looked for
// as a shell would, and its arguments. Unless the spec says who may call it, callers
// need the scope namespace:operation, bash:run for /bash/run. credentials are services
// whose credentials the program gets on a file descriptor of its own, a line of JSON
// each: see the variable ALKNET_CREDENTIALS_FD.
func (r *Runner) Register(registry *call.Registry, spec call.OperationSpec, command []string, credentials ...string) error {
	if len(command) == 0 || command[0] == "" {
		return fmt.Errorf("operation %s: no program is named", spec.Name)
	}
	path, err := exec.LookPath(command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return fmt.Errorf("operation %s: %w", spec.Name, err)
	}
	if spec.Type == "" {
		spec.Type = call.TypeMutation // nobody knows what a program does: it is not to be run twice
	}
	a := &spec.AccessControl
	if len(a.RequiredScopes) == 0 && len(a.RequiredScopesAny) == 0 && a.ResourceType == "" {
		a.RequiredScopes = []string{DefaultScope(spec.Name)}
	}
	p := &program{runner: r, path: path, args: command, credentials: credentials}
	if len(credentials) > 0 && !passesDescriptors {
		return fmt.Errorf("operation %s: this system passes no file descriptor to a program, on which it would get its credentials", spec.Name)
	}
	may := call.WithCredentials(credentials...)
	if spec.Type == call.TypeSubscription {
		return registry.HandleStream(spec, p.stream, may)
	}
	return registry.Handle(spec, p.call, may)
}

// DefaultScope is the scope that callers of an operation need whose spec names none.
func DefaultScope(name string) string {
	return strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", ":")
}

// SplitCommand splits a command line at its spaces. Within single or double quotes
// spaces do not count, and a backslash takes the next character as it is, but for
// within single quotes. Nothing is expanded: there is no shell.
func SplitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote rune
	escaped := false
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("the command ends inside a quotation")
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("the command is empty")
	}
	return words, nil
}

// environment is what a program sees of its request, beside what this process has of
// its own; the settings of this process, some of which are secret, stay here.
func environment(ctx context.Context, req *call.Request) []string {
	var env []string
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, "ALKNET_") && !ofServiceManager(name) {
			env = append(env, setting)
		}
	}
	env = append(env, "ALKNET_OPERATION="+req.Operation(), "ALKNET_REQUEST_ID="+clean(req.ID()))
	if id := req.Identity(); id != nil {
		env = append(env, "ALKNET_IDENTITY="+clean(id.ID))
	}
	if deadline, ok := ctx.Deadline(); ok {
		env = append(env, fmt.Sprintf("ALKNET_DEADLINE=%d", deadline.UnixMilli()))
	}
	if trace, ok := req.Metadata()["traceparent"]; ok {
		env = append(env, "TRACEPARENT="+clean(trace))
	}
	return env
}

// ofServiceManager reports whether systemd has set a variable for this process alone
// (systemd.exec(5), "Environment Variables Set or Propagated by the Service Manager"): a
// program must not speak for the service, or find its sockets and secrets.
func ofServiceManager(name string) bool {
	for _, prefix := range []string{"LISTEN_", "WATCHDOG_", "MEMORY_PRESSURE_", "MONITOR_", "SERVICE_", "TRIGGER_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "NOTIFY_SOCKET", "MAINPID", "MANAGERPID", "MANAGERPIDFDID", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY", "ENCRYPTED_CREDENTIALS_DIRECTORY", "FDSTORE", "PIDFILE", "EXIT_CODE", "EXIT_STATUS", "REMOTE_ADDR", "REMOTE_PORT":
		return true
	}
	return false
}

// clean makes a text fit for an environment variable, which ends at a NUL.
func clean(s string) string { return strings.ReplaceAll(s, "\x00", "") }
