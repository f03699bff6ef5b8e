//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const credentialCanary = "canary-cr3d3nt14l-0123456789"

// What is typed for a secret is not shown, and a question before a removal is asked.
func TestCredentialsOnATerminal(t *testing.T) {
	home := t.TempDir()
	args := func(more ...string) []string { return append([]string{"--home", home, "credential"}, more...) }
	s := onScreen(t, nil, args("add", "mail", "--type", "basic", "--username", "alice")...)
	s.until("Phrase: ")
	s.enter(vectors(t)[0].Mnemonic)
	s.until("password: ")
	s.enter(credentialCanary)
	s.until("the credential of mail, of type basic, was sealed in ")
	if exit, shown := s.end(); exit != 0 || strings.Contains(shown, "canary") {
		t.Errorf("exit %d: %s", exit, shown)
	}
	for _, c := range []struct {
		answer string
		exit   int
		says   string
	}{{"", 1, "nothing was done"}, {"no", 1, "nothing was done"}, {"y", 0, "was removed"}} {
		s := onScreen(t, nil, args("remove", "mail")...)
		s.until("Remove the credential of mail? It cannot be had back. [y/N] ")
		s.enter(c.answer)
		s.until(c.says)
		if exit, shown := s.end(); exit != c.exit {
			t.Errorf("%q: exit %d: %s", c.answer, exit, shown)
		}
	}
}

// A worker's program signs in elsewhere; its callers, and the worker's log, see none of
// what with.
func TestWorkerWithCredentials(t *testing.T) {
	s := state(t.TempDir())
	phrase, token := filepath.Join(string(s), "phrase"), filepath.Join(string(s), "token")
	must(t, os.WriteFile(phrase, []byte(vectors(t)[0].Mnemonic+"\n"), 0o600))
	must(t, os.WriteFile(token, []byte(credentialCanary+"\n"), 0o600))
	s.ok(t, "credential", "add", "github", "--type", "bearer", "--secret-file", token, "--phrase-file", phrase)
	must(t, os.WriteFile(filepath.Join(string(s), "credentials", "broken.json"), []byte("{"), 0o600))
	key := s.key(t, "user", "node:register:dev1,issues:*")
	head, address := s.serve(t)
	script := filepath.Join(string(s), "script")
	must(t, os.WriteFile(script, []byte("read -r line <&3\ncase $line in *"+credentialCanary+"*) echo true;; *) echo false;; esac\n"), 0o600))
	worker := s.start(t, "worker", address, "--name", "dev1", "--exec", "/issues/list=sh "+script, "--exec", "/issues/other=sh "+script,
		"--key", key, "--credential", "/issues/list=github", "--phrase-file", phrase, "--log-format", "json", "--json")
	worker.line(t)
	if got := s.ok(t, "call", address, "/dev1/issues/list", "--key", key); got != "true\n" {
		t.Errorf("the program got %s", got)
	}
	if got, _, _ := s.run(t, "call", address, "/dev1/issues/other", "--key", key); got == "true\n" {
		t.Error("a program got a credential that was not given to it")
	}
	if status := worker.end(t, os.Interrupt); status != 0 {
		t.Errorf("the worker ended with %d", status)
	}
	head.end(t, os.Interrupt)
	log := worker.told.String()
	for _, want := range []string{`"msg":"credential","action":"get","service":"github","operation":"/issues/list","identity":"SHA256:`, `"msg":"credential","action":"open","service":"github"`, `"msg":"a credential cannot be used","service":"broken"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "canary") || strings.Contains(head.told.String(), "canary") {
		t.Errorf("the log holds the secret:\n%s", log)
	}
}
