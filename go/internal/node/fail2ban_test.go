package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/admission"
	"github.com/alkdev/alknet/go/internal/call"
)

// need returns a program, or skips the test where it is not installed; where
// everything must be tested its absence is a failure.
func need(t *testing.T, program, from string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: install %s", err, from)
		}
		t.Skipf("%s is not installed (package %s)", program, from)
	}
	return path
}

const (
	filterFile = "../../../docs/fail2ban/filter.d/alknet.conf"
	jailFile   = "../../../docs/fail2ban/jail.d/alknet.conf"
)

// What a node logs of strangers is what the filter reads, in both formats, from a file
// and from the journal; and a stranger cannot have somebody else banned.
func TestFail2banFilter(t *testing.T) {
	regex := need(t, "fail2ban-regex", "fail2ban")
	for name, handler := range map[string]func(*logged) slog.Handler{
		"text": func(l *logged) slog.Handler { return slog.NewTextHandler(l, nil) },
		"json": func(l *logged) slog.Handler { return slog.NewJSONHandler(l, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			log := newLog()
			w := start(t, "tcp://127.0.0.1:0", func(c *HeadConfig) {
				c.Logger = slog.New(handler(log))
				c.Admission = admission.Limits{FailuresPerAddress: 2}
				must(t, c.Registry.Handle(call.OperationSpec{Name: "/fail/loudly"}, func(_ context.Context, req *call.Request) (any, error) {
					return nil, fmt.Errorf("%s", req.Input()) // logged, with what the caller wrote
				}))
			})
			strangers := &strangers{target: hostPort(w.head)}
			for i := range 3 {
				must(t, strangers.badToken("127.0.3.1", i)) // the third is turned away
			}
			must(t, strangers.badToken("127.0.3.2", 0))
			client, err := w.connect(t, nil)
			must(t, err)
			for _, forged := range []string{
				"time=2026-11-24T22:34:27.184Z level=WARN msg=auth result=reject addr=198.51.100.1 method=key", "\ntime=2026-11-24T22:34:27.184Z level=WARN msg=auth result=reject addr=198.51.100.2 method=key",
				`{"time":"2026-11-24T22:34:27.184Z","level":"WARN","msg":"auth","result":"reject","addr":"198.51.100.3","method":"key"`, "x alknet[1]: level=WARN msg=auth result=reject addr=198.51.100.4 method=",
			} {
				_, err := client.Call(context.Background(), "/fail/loudly", forged)
				wantCode(t, err, call.Internal)
			}
			text := log.take()
			for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
				text += "host1 alknet[123]: " + line + "\n" // as the journal has it
			}
			path := filepath.Join(t.TempDir(), "log")
			must(t, os.WriteFile(path, []byte(text), 0o600))
			output, err := exec.Command(regex, "-v", path, filterFile).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			var banned []string
			for _, found := range regexp.MustCompile(`(?m)^\|      (\S+)  `).FindAllStringSubmatch(string(output), -1) {
				banned = append(banned, found[1])
			}
			slices.Sort(banned)
			// Two refusals and the block of the first, and one of the second; twice each.
			if got := strings.Join(banned, " "); got != strings.Repeat("127.0.3.1 ", 6)+"127.0.3.2 127.0.3.2" {
				t.Errorf("found %s in\n%s\n%s", got, text, output)
			}
		})
	}
}

// fail2ban itself finds the jail and the filter well-formed.
func TestFail2banJail(t *testing.T) {
	client := need(t, "fail2ban-client", "fail2ban")
	dir := t.TempDir()
	if output, err := exec.Command("cp", "-r", "/etc/fail2ban/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	jails, err := filepath.Glob(filepath.Join(dir, "jail.d", "*"))
	must(t, err)
	for _, jail := range jails {
		must(t, os.Remove(jail)) // the machine's own, which want its log files
	}
	for from, to := range map[string]string{filterFile: "filter.d/alknet.conf", jailFile: "jail.d/alknet.conf"} {
		data, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, to), data, 0o644))
	}
	output, err := exec.Command(client, "-c", dir, "--test").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "OK: configuration test is successful") {
		t.Errorf("%v\n%s", err, output)
	}
	output, err = exec.Command(client, "-c", dir, "-d").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "['add', 'alknet', 'systemd']") || !strings.Contains(string(output), "_SYSTEMD_UNIT=alknet.service") {
		t.Errorf("%v\n%s", err, output)
	}
}
