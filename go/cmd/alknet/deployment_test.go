//go:build linux

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// need skips the test where a program is not installed, or it is not run by root;
// where everything must be tested that is a failure.
func need(t *testing.T, programs map[string]string) {
	t.Helper()
	missing := ""
	if os.Getuid() != 0 {
		missing = "this is not root"
	}
	for program, from := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = fmt.Sprintf("%s is not installed (package %s)", program, from)
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") == "true":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

// shellBlocks returns the sh blocks of a page as one script.
func shellBlocks(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	var script strings.Builder
	for _, found := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		script.WriteString(found[1])
	}
	return script.String()
}

// inMachine runs in a mount namespace: this machine's files, of which what is written
// is gone afterwards, as the root of a container that systemd boots.
const inMachine = `set -e
mount -t tmpfs tmpfs "$DIR"
mkdir "$DIR/upper" "$DIR/work" "$DIR/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/root"
root="$DIR/root"
rm -f "$root/etc/machine-id" && touch "$root/etc/machine-id"
mkdir -p "$root/srv/alknet/bin"
cp "$BINARY" "$root/srv/alknet/bin/alknet"
cp -r "$DOCS" "$root/srv/alknet/docs"
printf '%s' "$SCRIPT" > "$root/srv/alknet/guide.sh"
printf '127.0.0.1 localhost head\n' > "$root/etc/hosts"
echo head > "$root/etc/hostname"
rm -rf "$root/etc/fail2ban/jail.d/defaults-debian.conf" "$root/root/.local" "$root/var/log/journal"
cat > "$root/etc/systemd/system/guide.service" <<'EOF'
[Unit]
Requires=basic.target dbus.service
After=basic.target dbus.service
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WorkingDirectory=/srv/alknet
ExecStart=/bin/bash -euo pipefail /srv/alknet/guide.sh
StandardOutput=file:/srv/alknet/output
StandardError=inherit
ExecStopPost=/bin/systemctl --no-block exit 0
EOF
systemd-nspawn --quiet --directory "$root" --register=no --keep-unit --console=pipe --private-network --hostname=head --machine=alknet-test-$$ \
	--boot systemd.unit=guide.service systemd.show_status=no > "$DIR/console" 2>&1 < /dev/null || true
rmdir "/run/systemd/nspawn/propagate/alknet-test-$$" 2>/dev/null || true
cat "$root/srv/alknet/output" || cat "$DIR/console"
`

// afterTheGuide looks at what the guide has made.
const afterTheGuide = `
echo "== after the guide"
pid=$(systemctl show --property MainPID --value alknet.service)
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/$pid/status
logrotate --force /etc/logrotate.d/alknet
ls /var/log/alknet
alknet call "$ADDRESS" /echo/echo '"rotated"'
systemctl stop alknet.socket alknet.service
systemctl show --property Result,ExecMainStatus alknet.service
echo "== finished"
`

// TestDeploymentGuide follows docs/deployment.md word for word, with a systemd and a
// file system that are gone afterwards.
func TestDeploymentGuide(t *testing.T) {
	need(t, map[string]string{"systemd-nspawn": "systemd-container", "unshare": "util-linux", "dbus-daemon": "dbus", "fail2ban-regex": "fail2ban", "logrotate": "logrotate", "ssh-keygen": "openssh-client"})
	docs, err := filepath.Abs("../../../docs")
	must(t, err)
	script := shellBlocks(t, filepath.Join(docs, "deployment.md"))
	if strings.Count(script, "\n") < 100 {
		t.Fatalf("the guide has %d lines", strings.Count(script, "\n"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "bash", "-c", inMachine)
	cmd.Env = []string{"PATH=/usr/sbin:/sbin:" + os.Getenv("PATH"), "DIR=" + t.TempDir(), "BINARY=" + binary, "DOCS=" + docs, "SCRIPT=" + script + afterTheGuide}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	raw, err := cmd.CombinedOutput()
	output := string(raw)
	if err != nil || !strings.HasSuffix(output, "== finished\n") {
		t.Fatalf("the guide ended early: %v\n%s", err, output)
	}
	for _, want := range []string{
		"/etc/alknet/alknet.toml is right\n", "\nactive\n", `{"hello":"world"}`, `alknet_sessions{transport="`, `did you mean "connections_per_address"?`, `"name":"head"`,
		"CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n", "audit.jsonl.1\n", `"rotated"`, "Result=success\nExecMainStatus=0\n",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("the guide does not show %q", want)
		}
	}
	if uid := regexp.MustCompile(`(?m)^Uid:\t(\d+)\t`).FindStringSubmatch(output); uid == nil || uid[1] == "0" {
		t.Errorf("the node runs as %v", uid)
	}
	exposure := regexp.MustCompile(`exposure level for alknet.service: ([0-9.]+)`).FindStringSubmatch(output)
	if exposure == nil {
		t.Fatalf("no exposure level\n%s", output)
	}
	if level, err := strconv.ParseFloat(exposure[1], 64); err != nil || level > 2 {
		t.Errorf("the exposure level is %s: the service is open to more than it was", exposure[1])
	}
	t.Logf("exposure level %s", exposure[1])
	if t.Failed() {
		t.Log(output)
	}
}

// The container's image is the binary alone: it starts where there is nothing else, as
// a user that nobody knows, on a file system that it cannot write to but for its state.
func TestAloneInAnImage(t *testing.T) {
	need(t, nil)
	image := shortHome(t)
	must(t, os.Chmod(image, 0o755))
	data, err := os.ReadFile(binary)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(image, "alknet"), data, 0o755))
	state := filepath.Join(image, "state")
	must(t, os.Mkdir(state, 0o700))
	const user = 65532
	must(t, os.Chown(state, user, user))
	cmd := exec.Command(filepath.Join(image, "alknet"), "serve", "--listen", "tcp://127.0.0.1:0", "--json")
	cmd.Path, cmd.Args[0] = "/alknet", "/alknet"
	cmd.Env, cmd.Dir = []string{"ALKNET_HOME=/state"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: user, Gid: user}}
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	must(t, cmd.Start())
	buffer := make([]byte, 4096)
	n, err := stdout.Read(buffer)
	if err != nil || !strings.Contains(string(buffer[:n]), `"addresses":["tcp://`) {
		t.Errorf("it says %q, %v, %s", buffer[:n], err, stderr.String())
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	var files []string
	must(t, filepath.WalkDir(image, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, image))
		}
		return err
	}))
	if strings.Join(files, " ") != "/alknet /state/node_key" {
		t.Errorf("there are %v now", files)
	}
}
