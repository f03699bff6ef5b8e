//go:build unix

package main

import (
	"encoding/json"
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

// A worker's program signs in elsewhere, with a store of the worker's own or of another
// process; its callers, and the logs, see none of what with.
func TestWorkerWithCredentials(t *testing.T) {
	s := state(t.TempDir())
	phrase := writeFile(t, filepath.Join(string(s), "phrase"), vectors(t)[0].Mnemonic+"\n", 0o600)
	token := writeFile(t, filepath.Join(string(s), "token"), credentialCanary+"\n", 0o600)
	s.ok(t, "credential", "add", "github", "--type", "bearer", "--secret-file", token, "--phrase-file", phrase)
	writeFile(t, filepath.Join(string(s), "credentials", "broken.json"), "{", 0o600)
	key := s.key(t, "user", "node:register,issues:*,service:secrets")
	service := s.start(t, "service", "--secrets", "--phrase-file", phrase, "--json")
	var offered struct{ Addresses []string }
	must(t, json.Unmarshal([]byte(service.line(t)), &offered))
	head, address := s.serve(t, "--identity-from-secret", "--phrase-file", phrase)
	script := writeFile(t, filepath.Join(string(s), "script"), "read -r line <&3\ncase $line in *"+credentialCanary+"*) echo true;; *) echo false;; esac\n", 0o600)
	for name, store := range map[string][]string{"dev1": {"--phrase-file", phrase}, "dev2": {"--secret-service", offered.Addresses[0]}} {
		args := []string{
			"worker", address, "--name", name, "--exec", "/issues/list=sh " + script, "--exec", "/issues/other=sh " + script, "--exec", "/issues/broken=sh " + script,
			"--key", key, "--credential", "/issues/list=github", "--credential", "/issues/broken=broken", "--log-format", "json", "--json",
		}
		worker := s.start(t, append(args, store...)...)
		worker.line(t)
		if got := s.ok(t, "call", address, "/"+name+"/issues/list", "--key", key); got != "true\n" {
			t.Errorf("%s: the program got %s", name, got)
		}
		if got, _, _ := s.run(t, "call", address, "/"+name+"/issues/other", "--key", key); got == "true\n" {
			t.Errorf("%s: a program got a credential that was not given to it", name)
		}
		if _, stderr, status := s.run(t, "call", address, "/"+name+"/issues/broken", "--key", key); status != 1 || !strings.Contains(stderr, "INTERNAL") || strings.Contains(stderr, "broken.json") {
			t.Errorf("%s: the caller is told %s", name, stderr)
		}
		if status := worker.end(t, os.Interrupt); status != 0 {
			t.Errorf("%s ended with %d", name, status)
		}
		log := worker.told.String()
		for _, want := range []string{
			`"msg":"credential","action":"get","service":"github","operation":"/issues/list","identity":"SHA256:`, `"msg":"credential","action":"open","service":"github"`,
			`"msg":"a credential cannot be used","service":"broken"`, `"msg":"credential","action":"get","service":"broken","operation":"/issues/broken","identity":"SHA256:`,
		} {
			if !strings.Contains(log, want) {
				t.Errorf("the log of %s lacks %s:\n%s", name, want, log)
			}
		}
		if strings.Contains(log, "canary") {
			t.Errorf("the log of %s holds the secret:\n%s", name, log)
		}
	}
	head.end(t, os.Interrupt)
	service.end(t, os.Interrupt)
	if log := head.told.String(); strings.Contains(log+service.told.String(), "canary") || !strings.Contains(log, `msg="a credential cannot be used" service=broken`) {
		t.Errorf("the head's log:\n%s", log)
	}
}
