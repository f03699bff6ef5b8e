//go:build unix

package execop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/call"
)

// safe is a provider of credentials of any size.
type safe map[string]string

func (s safe) Credential(_ context.Context, _ *call.Request, service string) (call.Credential, error) {
	if text, ok := s[service]; ok {
		return opened(text), nil
	}
	return nil, errors.New("LOCKED: the canary is locked")
}

type opened string

func (opened) Service() string                                { return "" }
func (opened) Text(string) string                             { return "" }
func (opened) Secret(context.Context, string) ([]byte, error) { return nil, nil }
func (o opened) Reveal(context.Context) ([]byte, error)       { return []byte(o), nil }

// A program gets the credentials that it is registered with on a descriptor, and no
// other ones; they are neither in its arguments nor in its environment.
func TestProgramsGetCredentials(t *testing.T) {
	w := start(t, Config{}, "x:*")
	large := `"` + strings.Repeat("l", 300<<10) + `"` // more than a pipe holds
	w.registry.SetCredentials(safe{"github": `{"token":"canary"}`, "s3": `"second"`, "large": large})
	offer := func(name, script string, credentials ...string) {
		must(t, w.runner.Register(w.registry, call.OperationSpec{Name: name}, []string{"sh", "-c", script}, credentials...))
	}
	show := `read -r first <&$ALKNET_CREDENTIALS_FD && read -r second <&3 && ! read -r third <&3 && ! env | grep -q canary && printf '[%s,%s]' "$first" "$second"`
	offer("/x/two", show, "github", "s3")
	offer("/x/none", `echo "\"$ALKNET_CREDENTIALS_FD\""; (: <&3) 2>/dev/null && exit 9; exit 0`)
	offer("/x/all", `wc -c <&3`, "large", "large")
	offer("/x/unread", `echo 1`, "large")
	offer("/x/outside", `setsid sh -c 'exec 2>&- 1>&-; sleep 0.2' & echo 1`, "large")
	offer("/x/missing", `echo 1`, "github", "missing")
	for name, want := range map[string]string{"/x/two": `[{"token":"canary"},"second"]`, "/x/none": `""`, "/x/all": fmt.Sprint(2 * (len(large) + 1)), "/x/unread": "1", "/x/outside": "1"} {
		if got, err := w.call(name, nil); err != nil || string(got) != want {
			t.Errorf("%s: %.200s, %v, want %.200s", name, got, err, want)
		}
	}
	if _, err := w.call("/x/missing", nil); call.CodeOf(err) != call.Internal || strings.Contains(err.Error(), "canary") {
		t.Errorf("a credential that cannot be had: %v", err)
	}
	w.registry.SetCredentials(nil)
	if _, err := w.call("/x/two", nil); call.CodeOf(err) != call.Internal {
		t.Errorf("no provider: %v", err)
	}
}
