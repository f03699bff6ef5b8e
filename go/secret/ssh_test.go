package secret

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// requireTool finds a program that a test needs.
func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestSSHKeygenReadsKeys exports keys with comments of every length modulo the
// cipher's block, and has ssh-keygen read them, sign with them and verify.
func TestSSHKeygenReadsKeys(t *testing.T) {
	requireTool(t, "ssh-keygen")
	s := seeded(t, newRandom(t).bytes(64))
	folder := t.TempDir()
	file := filepath.Join(folder, "key")
	message := filepath.Join(folder, "message")
	must(t, os.WriteFile(message, []byte("message"), 0o600))
	for n := range 18 {
		h := derive(t, s, DevicePath(uint32(n)), Ed25519)
		comment := strings.Repeat("c", n)
		public, err := h.SSHPublicKey(comment)
		must(t, err)
		var passphrase []byte
		if n == 9 { // which takes long
			passphrase = []byte("pass phräse")
		}
		key, err := h.ExportSSHPrivateKey(comment, bytes.Clone(passphrase))
		must(t, err)
		must(t, os.WriteFile(file, key, 0o600))
		if got := run(t, "ssh-keygen", "-y", "-P", string(passphrase), "-f", file); got != public {
			t.Errorf("ssh-keygen reads %s, want %s", got, public)
		}
		if passphrase != nil {
			var missing *ssh.PassphraseMissingError
			if _, err := ssh.ParseRawPrivateKey(key); !errors.As(err, &missing) {
				t.Errorf("the file is not protected: %v", err)
			}
		}
		if n != 0 && n != 17 {
			continue
		}
		must(t, os.WriteFile(filepath.Join(folder, "allowed"), []byte("me "+public+"\n"), 0o600))
		_ = os.Remove(message + ".sig")
		run(t, "ssh-keygen", "-Y", "sign", "-f", file, "-n", "alknet", message)
		verify := exec.Command("ssh-keygen", "-Y", "verify", "-f", filepath.Join(folder, "allowed"), "-I", "me", "-n", "alknet", "-s", message+".sig")
		verify.Stdin = strings.NewReader("message")
		if out, err := verify.CombinedOutput(); err != nil {
			t.Errorf("verify: %v\n%s", err, out)
		}
	}
}

// TestSSHKeygenVerifiesSignatures signs in the store, in the format of ssh-keygen -Y
// (PROTOCOL.sshsig), and has ssh-keygen verify.
func TestSSHKeygenVerifiesSignatures(t *testing.T) {
	requireTool(t, "ssh-keygen")
	random := newRandom(t)
	folder := t.TempDir()
	for n := range 10 {
		s := seeded(t, random.bytes(64))
		h := derive(t, s, DevicePath(uint32(n)), Ed25519)
		signer, err := s.Signer(h.Path())
		must(t, err)
		sshSigner, err := ssh.NewSignerFromSigner(signer)
		must(t, err)
		message := random.bytes(n * 20)
		hash := sha512Sum(message)
		signed := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Algorithm, Hash string }{"alknet", "", "sha512", string(hash)})...)
		signature, err := sshSigner.Sign(nil, signed)
		must(t, err)
		blob := append([]byte("SSHSIG"), ssh.Marshal(struct {
			Version                                               uint32
			Public, Namespace, Reserved, Algorithm, SignatureBlob string
		}{1, string(sshPublicBlob(h.public)), "alknet", "", "sha512", string(ssh.Marshal(signature))})...)
		file := filepath.Join(folder, fmt.Sprint(n))
		must(t, os.WriteFile(file, pemBlock("SSH SIGNATURE", blob), 0o600))
		public, err := h.SSHPublicKey("")
		must(t, err)
		must(t, os.WriteFile(file+".allowed", []byte("me "+public+"\n"), 0o600))
		verify := exec.Command("ssh-keygen", "-Y", "verify", "-f", file+".allowed", "-I", "me", "-n", "alknet", "-s", file)
		verify.Stdin = bytes.NewReader(message)
		if out, err := verify.CombinedOutput(); err != nil {
			t.Errorf("%d: %v\n%s", n, err, out)
		}
	}
}

// TestSSHAgreesWithTheLibrary has x/crypto/ssh read many exported keys.
func TestSSHAgreesWithTheLibrary(t *testing.T) {
	s := seeded(t, newRandom(t).bytes(64))
	for n := range 300 {
		h := derive(t, s, DevicePath(uint32(n)), Ed25519)
		comment := strings.Repeat("ä", n%128)
		file, err := h.ExportSSHPrivateKey(comment, nil)
		must(t, err)
		raw, err := ssh.ParseRawPrivateKey(file)
		must(t, err)
		private, err := h.ExportPrivateKey()
		must(t, err)
		if key := raw.(*ed25519.PrivateKey); !bytes.Equal(key.Seed(), private) || !bytes.Equal(key.Public().(ed25519.PublicKey), h.PublicKey()) {
			t.Errorf("%d: another key", n)
		}
		line, err := h.SSHPublicKey(comment)
		must(t, err)
		public, gotComment, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || gotComment != comment || !bytes.Equal(public.Marshal(), sshPublicBlob(h.public)) {
			t.Errorf("%d: %s, %v", n, line, err)
		}
	}
}
