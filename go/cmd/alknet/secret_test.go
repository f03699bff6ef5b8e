//go:build unix

package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/go/internal/principal"
	"github.com/alkdev/alknet/go/secret"
)

func readVectors(t testing.TB, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "secret", "testdata", file))
	must(t, err)
	must(t, json.Unmarshal(data, into))
}

// phraseVector is a mnemonic and what it gives.
type phraseVector struct {
	ID, Mnemonic, Passphrase string
	Keys                     []struct {
		Path       string
		PrivateKey string `json:"private_key"`
		PublicKey  string `json:"public_key"`
	}
}

type phraseVectors []phraseVector

func vectors(t testing.TB) phraseVectors {
	t.Helper()
	var file struct{ Vectors phraseVectors }
	readVectors(t, "derive.json", &file)
	if len(file.Vectors) == 0 {
		t.Fatal("there are no vectors")
	}
	return file.Vectors
}

// withPassphrase returns the first vector that has one.
func (v phraseVectors) withPassphrase() phraseVector {
	for _, vector := range v {
		if vector.Passphrase != "" {
			return vector
		}
	}
	panic("no vector has a passphrase")
}

// fingerprint is that of the identity, from the vector's own public key.
func (v phraseVector) fingerprint() string {
	for _, key := range v.Keys {
		if key.Path == secret.IdentityPath().String() {
			public, err := hex.DecodeString(key.PublicKey)
			if err == nil {
				return principal.Fingerprint(ed25519.PublicKey(public))
			}
		}
	}
	panic("the vector has no identity")
}

func TestDeriveVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.ID+v.Passphrase, func(t *testing.T) {
			t.Parallel()
			for _, key := range v.Keys {
				dir := t.TempDir()
				args := []string{"secret", "derive", key.Path, "--phrase-fd", "3", "--private-file", dir + "/private", "--json"}
				files := []*os.File{pipeOf(t, v.Mnemonic)}
				if v.Passphrase != "" {
					args = append(args, "--passphrase-fd", "4")
					files = append(files, pipeOf(t, v.Passphrase+"\n"))
				}
				cmd := command(t, args...)
				cmd.ExtraFiles = files
				r := finish(t, cmd)
				var parts struct{ PublicKey []byte }
				if r.exit != 0 || json.Unmarshal([]byte(r.stdout), &parts) != nil || hexOf(parts.PublicKey) != key.PublicKey {
					t.Errorf("%s: exit %d, %s%s", key.Path, r.exit, r.stdout, r.stderr)
				}
				private, err := os.ReadFile(dir + "/private")
				if err != nil || string(private) != key.PrivateKey+"\n" {
					t.Errorf("%s: not the private key: %v", key.Path, err)
				}
				if info, err := os.Stat(dir + "/private"); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: the file has mode %v", key.Path, info.Mode())
				}
			}
		})
	}
}

func TestPrivateKeyToDescriptor(t *testing.T) {
	v := vectors(t)[0]
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := command(t, "secret", "derive", v.Keys[0].Path, "--phrase-fd", "3", "--private-fd", "4")
	cmd.ExtraFiles = []*os.File{pipeOf(t, v.Mnemonic), w}
	got := finish(t, cmd)
	must(t, w.Close())
	private, err := io.ReadAll(r)
	must(t, err)
	if got.exit != 0 || string(private) != v.Keys[0].PrivateKey+"\n" {
		t.Errorf("exit %d: %s", got.exit, got.stderr)
	}
	if strings.Contains(got.stdout+got.stderr, v.Keys[0].PrivateKey) {
		t.Error("the private key is on stdout, too")
	}
}

func TestEthereumVectors(t *testing.T) {
	var file struct {
		Vectors []struct{ ID, Mnemonic, Passphrase, Path, Address string }
	}
	readVectors(t, "ethereum.json", &file)
	for _, v := range file.Vectors {
		account, ok := strings.CutPrefix(v.Path, "m/44'/60'/0'/0/")
		if !ok {
			t.Fatalf("%s: the vector is of another kind", v.ID)
		}
		args := []string{"secret", "eth-address", account}
		if v.Passphrase != "" {
			args = append(args, "--passphrase-file", writeFile(t, filepath.Join(t.TempDir(), "passphrase"), v.Passphrase+"\n", 0o600))
		}
		if got := well(t, v.Mnemonic, nil, args...); got != v.Address+"\n" {
			t.Errorf("%s: %s, want %s", v.ID, got, v.Address)
		}
	}
}

func TestSealedVectors(t *testing.T) {
	type record struct {
		ID, Plaintext string
		Encrypted     json.RawMessage
	}
	var file struct {
		Mnemonic          string
		Vectors, Tampered []record
	}
	readVectors(t, "encrypted-data.json", &file)
	for _, v := range file.Vectors {
		if got := well(t, file.Mnemonic, bytes.NewReader(v.Encrypted), "secret", "open"); got != v.Plaintext {
			t.Errorf("%s: %q", v.ID, got)
		}
		rotated := well(t, file.Mnemonic, bytes.NewReader(v.Encrypted), "secret", "rotate", "--version", "9")
		if !strings.HasPrefix(rotated, `{"key_version":9,`) {
			t.Errorf("%s rotated: %s", v.ID, rotated)
		}
		if got := well(t, file.Mnemonic, strings.NewReader(rotated), "secret", "open"); got != v.Plaintext {
			t.Errorf("%s rotated: %q", v.ID, got)
		}
	}
	texts := map[string]bool{}
	for _, v := range file.Tampered {
		r := alknet(t, file.Mnemonic, bytes.NewReader(v.Encrypted), "secret", "open")
		if r.exit != 1 || r.stdout != "" {
			t.Errorf("%s: exit %d, %q", v.ID, r.exit, r.stdout)
		}
		texts[r.stderr] = true
	}
	if len(texts) != 1 {
		t.Errorf("the failures can be told apart: %v", texts)
	}
}

func TestSealLimits(t *testing.T) {
	phrase := vectors(t)[0].Mnemonic
	largest := bytes.Repeat([]byte("0123456789abcdef"), secret.MaxPlaintext/16)
	sealed := well(t, phrase, bytes.NewReader(largest), "secret", "seal")
	if got := well(t, phrase, strings.NewReader(sealed), "secret", "open"); got != string(largest) {
		t.Error("the largest plaintext does not come back")
	}
	r := alknet(t, phrase, io.MultiReader(bytes.NewReader(largest), strings.NewReader("x")), "secret", "seal")
	if r.exit != 1 || r.stdout != "" || r.stderr != "alknet: stdin has more than 33554432 bytes, the most that is taken\n" {
		t.Errorf("one byte more: exit %d, %.100s, %s", r.exit, r.stdout, r.stderr)
	}
	if got := well(t, phrase, strings.NewReader(well(t, phrase, strings.NewReader(""), "secret", "seal")), "secret", "open"); got != "" {
		t.Errorf("nothing comes back as %q", got)
	}
}

// TestSSHKey has ssh-keygen read what ssh-key writes, sign with it and verify.
func TestSSHKey(t *testing.T) {
	v := vectors(t)[0]
	keygen := func(t *testing.T, stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command("ssh-keygen", args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	for name, passphrase := range map[string]string{"open": "", "protected": "correct horse"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			args := []string{"secret", "ssh-key", "--phrase-fd", "3", "--file", file, "--comment", "me@here"}
			files := []*os.File{pipeOf(t, v.Mnemonic)}
			if passphrase != "" {
				args = append(args, "--key-passphrase-fd", "4")
				files = append(files, pipeOf(t, passphrase+"\n"))
			}
			cmd := command(t, args...)
			cmd.ExtraFiles = files
			r := finish(t, cmd)
			if r.exit != 0 || !strings.HasSuffix(r.stdout, " me@here\n") {
				t.Fatalf("exit %d: %s%s", r.exit, r.stdout, r.stderr)
			}
			public, err := os.ReadFile(file + ".pub")
			if err != nil || string(public) != r.stdout {
				t.Errorf("the .pub file has %q, %v", public, err)
			}
			if got := keygen(t, "", "-y", "-P", passphrase, "-f", file); got != r.stdout {
				t.Errorf("ssh-keygen reads %s, not %s", got, r.stdout)
			}
			if got := keygen(t, "", "-l", "-f", file+".pub"); !strings.Contains(got, v.fingerprint()) {
				t.Errorf("ssh-keygen tells %s, not %s", got, v.fingerprint())
			}
			if passphrase != "" {
				if err := exec.Command("ssh-keygen", "-y", "-P", "wrong", "-f", file).Run(); err == nil {
					t.Error("ssh-keygen opens the file with a wrong passphrase")
				}
				return
			}
			signature := filepath.Join(t.TempDir(), "message")
			writeFile(t, signature, "signed", 0o600)
			keygen(t, "", "-Y", "sign", "-n", "test", "-f", file, signature)
			allowed := writeFile(t, filepath.Join(t.TempDir(), "allowed"), "me "+r.stdout, 0o600)
			keygen(t, "signed", "-Y", "verify", "-n", "test", "-f", allowed, "-I", "me", "-s", signature+".sig")
		})
	}
}

// A pair of files is written as a whole, and never over others.
func TestSSHKeyKeepsFiles(t *testing.T) {
	phrase := vectors(t)[0].Mnemonic
	dir := t.TempDir()
	for _, name := range []string{"key", "other.pub"} {
		writeFile(t, filepath.Join(dir, name), "mine", 0o600)
	}
	for _, name := range []string{"key", "other"} {
		if r := alknet(t, phrase, nil, "secret", "ssh-key", "--file", filepath.Join(dir, name)); r.exit != 1 || !strings.Contains(r.stderr, "exists and stays as it is") {
			t.Errorf("%s: exit %d: %s", name, r.exit, r.stderr)
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("files: %v", entries)
	}
	for _, entry := range entries {
		if data, err := os.ReadFile(filepath.Join(dir, entry.Name())); err != nil || string(data) != "mine" {
			t.Errorf("%s was changed", entry.Name())
		}
	}
}

func TestPasswords(t *testing.T) {
	phrase := vectors(t)[0].Mnemonic
	first := well(t, phrase, nil, "secret", "password", "Example.com")
	if second := well(t, phrase, nil, "secret", "password", "example.com"); second != first || len(first) != 21 {
		t.Errorf("%q and %q", first, second)
	}
	pin := strings.TrimSpace(well(t, phrase, nil, "secret", "password", "example.com", "--length", "8", "--classes", "digits"))
	if len(pin) != 8 || strings.Trim(pin, "0123456789") != "" {
		t.Errorf("digits: %q", pin)
	}
}

func TestCreateWordlists(t *testing.T) {
	for i, list := range secret.Wordlists() {
		words := []int{12, 15, 18, 21, 24}[i%5]
		file := filepath.Join(t.TempDir(), "phrase")
		cmd := command(t, "secret", "create", "--wordlist", string(list), "--words", fmt.Sprint(words), "--out", file, "--json")
		r := finish(t, cmd)
		var made struct {
			Words    int
			Wordlist string
			Identity struct{ Fingerprint string }
		}
		if r.exit != 0 || r.stderr != "" || json.Unmarshal([]byte(r.stdout), &made) != nil || made.Words != words || made.Wordlist != string(list) {
			t.Errorf("%s: exit %d, %s%s", list, r.exit, r.stdout, r.stderr)
			continue
		}
		phrase, err := os.ReadFile(file)
		must(t, err)
		if got := len(bytes.Fields(phrase)); got != words {
			t.Errorf("%s: %d words, want %d", list, got, words)
		}
		// Two words in a row: one alone, such as "file", may be a member's name.
		all := bytes.Fields(phrase)
		for i := range len(all) - 1 {
			if first, second := strings.Index(r.stdout, string(all[i])), strings.Index(r.stdout, string(all[i+1])); first >= 0 && second == first+len(all[i])+1 {
				t.Errorf("%s: words are on stdout", list)
			}
		}
		if r := finish(t, command(t, "secret", "check", "--phrase-file", file, "--expect", made.Identity.Fingerprint)); r.exit != 0 {
			t.Errorf("%s: %s", list, r.stderr)
		}
	}
}

// Neither an argument nor a variable gives a phrase, and what is given there is not
// repeated.
func TestPhraseIsNoArgument(t *testing.T) {
	phrase := vectors(t)[0].Mnemonic
	words := strings.Fields(phrase)
	// Every way with one command, and the plainest with the others.
	plainest := [][]string{words, {"--passphrase=" + phrase}, {"--phrase-file", phrase}}
	for _, c := range []struct {
		command []string
		ways    [][]string
	}{
		{[]string{"secret", "check"}, append(plainest[:3:3], [][]string{
			{phrase}, {"--", phrase}, {strings.ToUpper(phrase)}, {"--phrase", phrase}, {"--phrase=" + phrase}, {"--mnemonic", phrase}, {"--passphrase", phrase},
			{"--phrase-file=" + phrase}, {"--passphrase-file", phrase, "--phrase-fd", "0"}, {"--phrase-fd", phrase}, {"--passphrase=" + strings.ToUpper(phrase)}, {"--json=" + phrase},
		}...)},
		{[]string{"secret"}, plainest},
		{[]string{"secret", "create"}, append(plainest[:3:3], []string{"--words", phrase}, []string{"--wordlist", phrase})},
		{[]string{"secret", "show-public"}, plainest},
		{[]string{"secret", "derive"}, plainest},
		{[]string{"secret", "derive", "m"}, append(plainest[:3:3], []string{"--type", phrase}, []string{"--private-fd", phrase})},
		{[]string{"secret", "seal"}, append(plainest[:3:3], []string{"--version", phrase})},
		{[]string{"secret", "open"}, plainest},
		{[]string{"secret", "rotate"}, append(plainest[:3:3], []string{"--version=" + phrase})},
		{[]string{"secret", "password", "site"}, append(plainest[:3:3], []string{"--length=" + phrase}, []string{"--classes", phrase})},
		{[]string{"secret", "eth-address"}, plainest},
		{[]string{"secret", "ssh-key"}, append(plainest[:3:3], []string{"--key-passphrase=" + phrase}, []string{"--file", "x", "--key-passphrase-file", phrase, "--phrase-fd", "0"})},
		{[]string{"serve", "--identity-from-secret"}, append(plainest[:3:3], []string{"--offer-secrets", phrase}, []string{"--secret-paths", phrase})},
	} {
		for _, more := range c.ways {
			args := append(slices.Clone(c.command), more...)
			r := finish(t, command(t, args...))
			if r.exit != exitUsage && r.exit != exitFailed || r.stdout != "" {
				t.Errorf("%.60q: exit %d, %s", args, r.exit, r.stdout)
			}
			for _, word := range words {
				if strings.Contains(strings.ToLower(r.stderr), word) {
					t.Errorf("%.60q is repeated: %s", args, r.stderr)
				}
			}
		}
	}
	cmd := command(t, "secret", "check")
	for _, name := range []string{"PHRASE", "MNEMONIC", "SECRET", "SECRET_PHRASE", "PASSPHRASE", "PHRASE_FILE", "SECRET_CHECK_PHRASE"} {
		cmd.Env = append(cmd.Env, "ALKNET_"+name+"="+phrase)
	}
	if r := finish(t, cmd); r.exit != 1 || r.stderr != "alknet: the phrase is asked for on a terminal, and there is none: use --phrase-fd or --phrase-file\n" {
		t.Errorf("variables: exit %d, %s", r.exit, r.stderr)
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
