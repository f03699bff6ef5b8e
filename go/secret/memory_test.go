//go:build linux

package secret

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	children["limits"] = limitsChild
	children["memory"] = memoryChild
}

const (
	limitVariable = "ALKNET_SECRET_TEST_LIMIT" // of RLIMIT_MEMLOCK, in bytes
	userVariable  = "ALKNET_SECRET_TEST_USER"
	thenVariable  = "ALKNET_SECRET_TEST_THEN" // the child to go on as
	nobody        = 65534

	testStores = 20
	// coreLimit, in bytes, is a RLIMIT_CORE that nobody sets by chance.
	coreLimit = 123 << 12
)

// limitsChild sets the limits, becomes an ordinary user if it is told to, and runs
// another child, in which package initialisers find things as they are then.
func limitsChild() {
	limit, err := strconv.ParseUint(os.Getenv(limitVariable), 10, 64)
	check(err)
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: limit}) != nil {
		// Only for unlimited: in a container root may not raise limits. Those that it
		// begins with are ample.
		lower(unix.RLIMIT_MEMLOCK, limit)
	}
	lower(unix.RLIMIT_CORE, coreLimit)
	if user, err := strconv.Atoi(os.Getenv(userVariable)); err == nil {
		check(syscall.Setgroups(nil))
		check(syscall.Setgid(user))
		check(syscall.Setuid(user))
	}
	binary, err := os.Executable()
	check(err)
	check(os.Setenv(childVariable, os.Getenv(thenVariable)))
	check(syscall.Exec(binary, os.Args[:1], os.Environ()))
}

// limits gives the environment of the limits child.
func limits(limit uint64, root bool, then string) []string {
	environment := []string{fmt.Sprintf("%s=%d", limitVariable, limit), thenVariable + "=" + then}
	if !root && os.Getuid() == 0 {
		environment = append(environment, fmt.Sprintf("%s=%d", userVariable, nobody))
	}
	return environment
}

// lower sets a limit to a value, or as near as it can come.
func lower(resource int, value uint64) {
	var limit unix.Rlimit
	check(unix.Getrlimit(resource, &limit))
	value = min(value, limit.Max)
	check(unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value}))
}

// memoryReport is what the memory child saw.
type memoryReport struct {
	CoreLimit uint64
	Memory    []Memory // of each store, in the order of unlocking
	Warnings  []int
	Required  Code // of one more store that requires locked memory
	Cached    int  // keys of the first store, after 64 derivations
}

// memoryChild opens stores until long after the memory that the limit allows is
// used up, and uses each.
func memoryChild() {
	var core unix.Rlimit
	check(unix.Getrlimit(unix.RLIMIT_CORE, &core))
	report := memoryReport{CoreLimit: core.Cur}
	var first *Store
	for i := range testStores {
		warnings := 0
		s := NewStore(Options{OnWarning: func(string) { warnings++ }})
		for range 2 { // one warning, however often it is unlocked
			s.Lock()
			check(s.Unlock([]byte(testMnemonic), nil))
		}
		signs(s)
		report.Memory = append(report.Memory, s.Status().Memory)
		report.Warnings = append(report.Warnings, warnings)
		if i == 0 {
			first = s
		}
	}
	required := NewStore(Options{RequireLockedMemory: true})
	report.Required = CodeOf(required.Unlock([]byte(testMnemonic), nil))
	for n := range uint32(defaultCacheSize) {
		_, err := first.Derive(DevicePath(n), Ed25519)
		check(err)
	}
	report.Cached = first.Status().Cached
	check(json.NewEncoder(os.Stdout).Encode(report))
}

// signs checks that a store does what a store does.
func signs(s *Store) {
	h, err := s.Derive(IdentityPath(), Ed25519)
	check(err)
	signature, err := h.Sign([]byte("message"))
	check(err)
	if !ed25519.Verify(h.PublicKey(), []byte("message"), signature) {
		check(fmt.Errorf("a wrong signature"))
	}
}

// TestMemoryLimits runs stores under every limit of locked memory, as root, whom
// limits do not bind, and as an ordinary user, in the build of the binary and in
// that of the addon.
func TestMemoryLimits(t *testing.T) {
	binary := childBinary(t, buildTags)
	unlimited := uint64(1<<64 - 1)
	for _, limit := range []uint64{0, 8 << 10, 64 << 10, unlimited} {
		for _, root := range []bool{true, false} {
			t.Run(fmt.Sprintf("limit=%d/root=%v", limit, root), func(t *testing.T) {
				if os.Getuid() != 0 && root {
					t.Skip("only root can be root")
				}
				report := runMemoryChild(t, binary, limits(limit, root, "memory"))
				lockable := testStores
				if !root && limit != unlimited {
					lockable = min(testStores, max(0, int(limit)/pageSize))
				}
				report.check(t, lockable)
			})
		}
	}
}

func runMemoryChild(t *testing.T, binary string, environment []string) (report memoryReport) {
	t.Helper()
	c := startChild(t, binary, "limits", environment...)
	hang := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	defer hang.Stop()
	if !c.out.Scan() {
		t.Fatalf("the child said nothing: %v", c.Wait())
	}
	must(t, json.NewDecoder(bytes.NewReader(c.out.Bytes())).Decode(&report))
	must(t, c.Wait())
	return report
}

// check compares with what a limit should bring that allows a number of stores.
func (r *memoryReport) check(t *testing.T, lockable int) {
	for i, memory := range r.Memory {
		want, warnings := MemoryLocked, 0
		if i >= lockable {
			want, warnings = MemoryUnlocked, 1
		}
		if memory != want || r.Warnings[i] != warnings {
			t.Errorf("store %d: memory %s and %d warnings, want %s and %d", i, memory, r.Warnings[i], want, warnings)
		}
	}
	required, cached := Code(""), defaultCacheSize
	if lockable < testStores {
		required = MemoryLock
		if lockable > 0 {
			cached = 0 // as many as fit into what is locked; never more memory unlocked
		}
	}
	if len(r.Memory) != testStores || r.Required != required {
		t.Errorf("%d stores, and %q with locked memory required, want %q", len(r.Memory), r.Required, required)
	}
	if cached > 0 && r.Cached != cached || r.Cached < 8 {
		t.Errorf("%d keys cached", r.Cached)
	}
	// memguard turns core dumps off for the process. The addon must not.
	var own unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_CORE, &own))
	limit := min(coreLimit, own.Max)
	if buildTags == "" {
		limit = 0
	}
	if r.CoreLimit != limit {
		t.Errorf("RLIMIT_CORE is %d, want %d", r.CoreLimit, limit)
	}
	if buildTags != "" && own.Max == 0 {
		t.Skip("RLIMIT_CORE is zero here already, so nothing could be seen of it")
	}
}

// TestForgottenStore drops unlocked stores and waits until the garbage collector has
// given their locked memory back.
func TestForgottenStore(t *testing.T) {
	before := lockedMemory(t)
	forgotten := make([]*Store, 10)
	for i := range forgotten {
		forgotten[i] = NewStore(Options{})
		must(t, forgotten[i].Unlock([]byte(testMnemonic), nil))
	}
	if runtime.KeepAlive(forgotten); lockedMemory(t) <= before {
		t.Skip("no memory can be locked here")
	}
	clear(forgotten)
	deadline := time.Now().Add(time.Minute)
	for lockedMemory(t) > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d KiB are still locked, and were %d before", lockedMemory(t), before)
		}
		runtime.GC()
	}
}

// TestFiftyStores fills the caches of fifty stores: all must fit into the 8 MiB that
// newer systems let a process lock.
func TestFiftyStores(t *testing.T) {
	before := lockedMemory(t)
	for range 50 {
		s := unlocked(t, Options{}, testMnemonic, "")
		for n := range uint32(defaultCacheSize) {
			derive(t, s, hardened(n), AES256GCM)
		}
		if status := s.Status(); status.Cached != defaultCacheSize || status.Memory != MemoryLocked {
			t.Fatalf("%+v", status)
		}
	}
	locked := lockedMemory(t) - before
	t.Logf("50 stores have %d KiB of locked memory", locked)
	if locked > 8<<10 {
		t.Errorf("50 stores have %d KiB of locked memory", locked)
	}
}

// lockedMemory returns how much of the process is locked, in KiB.
func lockedMemory(t *testing.T) (kilobytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "VmLck:")
	_, err = fmt.Sscan(rest, &kilobytes)
	must(t, err)
	return kilobytes
}
