//go:build linux

package secret

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"filippo.io/edwards25519"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/sys/unix"
)

func init() { children["core"] = coreChild }

// The secrets that the parent sends to the child, in this order, each after its
// length in four bytes.
type coreSecrets struct{ phrase, passphrase, sshPassphrase, plaintext, canary []byte }

func (s *coreSecrets) all() []*[]byte {
	return []*[]byte{&s.phrase, &s.passphrase, &s.sshPassphrase, &s.plaintext, &s.canary}
}

const coreSite = "example.com"

// corePaths are the keys that the child uses.
func corePaths() map[cacheKey]bool {
	sealing, _ := SealingPath(3)
	return map[cacheKey]bool{{IdentityPath(), Ed25519}: true, {SSHHostKeyPath(), Ed25519}: true, {EthereumPath(0), Secp256k1}: true, {sealing, AES256GCM}: true}
}

// coreChild uses a store in every way, in several goroutines and under a busy
// garbage collector, and locks it when told to.
func coreChild() {
	// Where Yama is there, a debugger need not be an ancestor then.
	_ = unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
	var secrets coreSecrets
	for _, b := range secrets.all() {
		var size [4]byte
		_, err := io.ReadFull(os.Stdin, size[:])
		check(err)
		*b = make([]byte, binary.BigEndian.Uint32(size[:]))
		_, err = io.ReadFull(os.Stdin, *b)
		check(err)
	}
	s := NewStore(Options{CacheSize: 3})
	check(s.Unlock(secrets.phrase, secrets.passphrase))
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 25 {
				useEverything(s, &secrets)
				runtime.GC()
			}
		})
	}
	identity, err := s.Derive(IdentityPath(), Ed25519)
	check(err)
	file, err := identity.ExportSSHPrivateKey("comment", secrets.sshPassphrase)
	check(err)
	clear(file)
	work.Wait()
	clear(secrets.plaintext)
	fmt.Println("unlocked")
	_, _ = io.ReadFull(os.Stdin, make([]byte, 1))
	s.Lock()
	fmt.Println("locked")
	_, _ = io.ReadFull(os.Stdin, make([]byte, 1))
	runtime.KeepAlive(secrets.canary)
}

// useEverything does each thing that touches a secret once, and wipes what it is
// given, as callers are told to.
func useEverything(s *Store, secrets *coreSecrets) {
	identity, err := s.Derive(IdentityPath(), Ed25519)
	check(err)
	_, err = identity.Sign([]byte("message"))
	check(err)
	signer, err := s.Signer(SSHHostKeyPath())
	check(err)
	_, err = signer.Sign(nil, []byte("message"), crypto.Hash(0))
	check(err)
	account, err := s.Derive(EthereumPath(0), Secp256k1)
	check(err)
	_, err = account.SignEthereumMessage([]byte("message"))
	check(err)
	sealed, err := s.Encrypt(secrets.plaintext, 3)
	check(err)
	sealed, err = s.Rotate(sealed, 3)
	check(err)
	opened, err := s.Decrypt(sealed)
	check(err)
	password, err := s.Password(coreSite, PasswordPolicy{Length: 40})
	check(err)
	private, err := account.ExportPrivateKey()
	check(err)
	file, err := identity.ExportSSHPrivateKey("comment", nil)
	check(err)
	for _, b := range [][]byte{opened, password, private, file} {
		clear(b)
	}
}

// pattern is 16 bytes that must not be found, and what they are of.
type pattern struct {
	of    string
	bytes [16]byte
}

// patterns cuts a secret into pieces of 16 bytes.
func patternsOf(of string, secret []byte) (out []pattern) {
	if len(secret) < 16 {
		panic(of + " is too short to look for")
	}
	for i := 0; i < len(secret); i += 16 {
		i := min(i, len(secret)-16)
		out = append(out, pattern{of, [16]byte(secret[i:])})
	}
	return out
}

// memoryOf returns a value as it lies in memory.
func memoryOf[T any](value *T) []byte {
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(value)), unsafe.Sizeof(*value)))
}

// secretPatterns is everything that the child's store knew.
func secretPatterns(t *testing.T, secrets *coreSecrets) (all []pattern) {
	add := func(of string, secret []byte) { all = append(all, patternsOf(of, secret)...) }
	words := bytes.Fields(secrets.phrase)
	for i := range len(words) - 2 {
		three := append(bytes.Join(words[i:i+3], []byte(" ")), ' ')
		if len(three) >= 16 {
			add("three words of the phrase", three[:16])
		}
	}
	add("passphrase", secrets.passphrase)
	add("SSH passphrase", secrets.sshPassphrase)
	add("plaintext", secrets.plaintext)

	s := unlocked(t, Options{}, string(secrets.phrase), string(secrets.passphrase))
	seed := seedOf(t, s)
	add("seed", seed)
	password, err := s.Password(coreSite, PasswordPolicy{Length: 40})
	must(t, err)
	add("password", password)
	for name := range corePaths() {
		for depth := range name.path.depth + 1 {
			f, above := new(frame), name.path
			above.depth = depth
			derive := slip10
			if name.kind == Secp256k1 {
				derive = bip32
			}
			must(t, derive(f, seed, above))
			of := fmt.Sprintf("%s key at %s", name.kind, above)
			add(of, f.node.private[:])
			add("chain code of "+of, f.node.chain[:])
			reversed := bytes.Clone(f.node.private[:])
			for i := range 16 {
				reversed[i], reversed[31-i] = reversed[31-i], reversed[i]
			}
			add("reversed "+of, reversed)
			if name.kind == Secp256k1 {
				var scalar secp256k1.ModNScalar
				scalar.SetByteSlice(f.node.private[:])
				add("scalar of "+of, memoryOf(&scalar))
				continue
			}
			hash := sha512.Sum512(f.node.private[:])
			add("expanded "+of, hash[:])
			scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(hash[:32])
			must(t, err)
			add("scalar of "+of, scalar.Bytes())
			add("Montgomery scalar of "+of, memoryOf(scalar))
		}
	}
	return all
}

// mapFile maps a file that may be larger than what one wants to read, and removes it
// when the test ends.
func mapFile(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.Open(name)
	must(t, err)
	defer file.Close()
	must(t, os.Remove(name))
	info, err := file.Stat()
	must(t, err)
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	must(t, err)
	t.Cleanup(func() { must(t, unix.Munmap(data)) })
	return data
}

// findPatterns counts which patterns are in a file.
func findPatterns(t *testing.T, file string, all []pattern) map[string]int {
	t.Helper()
	core := mapFile(t, file)
	zeroes := make([]byte, pageSize)
	var firsts [1 << 16]bool
	byStart := map[uint64][]pattern{}
	for _, p := range all {
		firsts[binary.LittleEndian.Uint16(p.bytes[:])] = true
		start := binary.LittleEndian.Uint64(p.bytes[:])
		byStart[start] = append(byStart[start], p)
	}
	found := map[string]int{}
	for i := 0; i+16 <= len(core); i++ {
		// Most of the image is memory that Go has reserved and not used.
		if i%pageSize == 0 && i+2*pageSize < len(core) && bytes.Equal(core[i:i+pageSize], zeroes) {
			i += pageSize - 16 // patterns may begin before the page's end
			continue
		}
		if !firsts[binary.LittleEndian.Uint16(core[i:])] {
			continue
		}
		for _, p := range byStart[binary.LittleEndian.Uint64(core[i:])] {
			if [16]byte(core[i:]) == p.bytes {
				found[p.of]++
			}
		}
	}
	return found
}

// coreFolder returns a folder with room for an image of 1.3 GB, which is what Go
// reserves: in memory if possible.
func coreFolder(t *testing.T) string {
	const shared, room = "/dev/shm", 4 << 30
	var stat unix.Statfs_t
	if unix.Statfs(shared, &stat) == nil && stat.Bavail*uint64(stat.Bsize) > room {
		if folder, err := os.MkdirTemp(shared, "alknet-secret-"); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(folder) })
			return folder
		}
	}
	return t.TempDir()
}

// dumpCore writes a core image of a live process; with everything also the memory
// that asked to be left out.
func dumpCore(t *testing.T, pid int, everything bool) (file string) {
	t.Helper()
	prefix := filepath.Join(coreFolder(t), "core")
	args := []string{"-o", prefix, fmt.Sprint(pid)}
	if everything {
		args = append([]string{"-a"}, args...)
	}
	if out, err := exec.Command("gcore", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcore: %v\n%s", err, out)
	}
	return fmt.Sprintf("%s.%d", prefix, pid)
}

// TestCoreImage looks at a live process from outside: what a core image holds while
// a store is unlocked, and after it was locked.
func TestCoreImage(t *testing.T) {
	if _, err := exec.LookPath("gcore"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gcore is missing: install gdb")
		}
		t.Skip("gcore, which gdb brings, is not installed")
	}
	// Not the same each time: what nobody has seen before cannot be there by chance.
	phrase, err := GenerateMnemonic(24, English)
	must(t, err)
	secrets := &coreSecrets{phrase: phrase}
	for _, b := range secrets.all()[1:] {
		*b = []byte(rand.Text() + rand.Text())
	}
	c := startChild(t, childBinary(t, buildTags), "core")
	for _, b := range secrets.all() {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(*b)))
		_, err := c.in.Write(append(size[:], *b...))
		must(t, err)
	}
	canary := patternsOf("canary", secrets.canary)
	all := append(secretPatterns(t, secrets), canary...)

	c.expect(t, "unlocked")
	held := findPatterns(t, dumpCore(t, c.Process.Pid, true), all)
	if held["seed"] != 4 || held["canary"] < len(canary) {
		t.Errorf("the search does not see what is there: %v", held)
	}
	if excluded := findPatterns(t, dumpCore(t, c.Process.Pid, false), all); len(excluded) != 1 || excluded["canary"] < len(canary) {
		t.Errorf("an ordinary core image of an unlocked store's process has %v, want the canary alone", excluded)
	}
	_, err = c.in.Write([]byte{0})
	must(t, err)
	c.expect(t, "locked")
	if left := findPatterns(t, dumpCore(t, c.Process.Pid, true), all); len(left) != 1 || left["canary"] < len(canary) {
		t.Errorf("after locking the process has %v, want the canary alone", left)
	}
	_, err = c.in.Write([]byte{0})
	must(t, err)
	must(t, c.Wait())
}
