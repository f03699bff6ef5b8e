//go:build unix

package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the commands print into the files under testdata")

// step is one command of a transcript and what a terminal shows of it.
type step struct {
	line    int
	command string
	output  []string // … stands for any text, and on a line of its own for any lines
}

// parseTranscript reads the steps of a text: "$ command", continued by lines that
// begin with "> ", then its output. Lines before the first command are remarks. A
// status other than 0 is shown as a last line [exit N].
func parseTranscript(text string, firstLine int) (steps []step) {
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch command, ok := strings.CutPrefix(line, "$ "); {
		case ok:
			steps = append(steps, step{line: firstLine + i, command: command})
		case len(steps) == 0:
		default:
			last := &steps[len(steps)-1]
			if more, ok := strings.CutPrefix(line, "> "); ok && len(last.output) == 0 {
				last.command += "\n" + more
			} else {
				last.output = append(last.output, line)
			}
		}
	}
	return steps
}

// runTranscript runs the commands in one shell, in an empty folder and without a
// terminal, and returns what each printed.
func runTranscript(t *testing.T, steps []step) (outputs [][]string) {
	t.Helper()
	return runShell(t, "exec 2>&1\n", steps)
}

// runShell is runTranscript with what comes before the first command.
func runShell(t *testing.T, before string, steps []step) (outputs [][]string) {
	t.Helper()
	const mark = "=-=-= "
	var script strings.Builder
	script.WriteString(before)
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\nprintf '\\n%s%%d\\n' $?\n", s.command, mark)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir, cmd.Env = home, environment(home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What a failed transcript leaves in the background ends with its shell.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.Output()
	must(t, err)
	for range steps {
		text, rest, ok := bytes.Cut(out, []byte("\n"+mark))
		if !ok {
			t.Fatalf("the shell ended early:\n%s", out)
		}
		status, after, _ := bytes.Cut(rest, []byte("\n"))
		out = after
		var lines []string
		if shown := strings.TrimSuffix(string(text), "\n"); shown != "" {
			lines = strings.Split(shown, "\n")
		}
		if string(status) != "0" {
			lines = append(lines, "[exit "+string(status)+"]")
		}
		outputs = append(outputs, lines)
	}
	return outputs
}

// matches reports whether lines are as the transcript has them.
func matches(want, got []string) bool {
	var pattern strings.Builder
	for _, line := range want {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
	}
	text := ""
	if len(got) > 0 {
		text = strings.Join(got, "\n") + "\n"
	}
	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(text)
}

func checkTranscript(t *testing.T, file string, steps []step) (outputs [][]string, same bool) {
	t.Helper()
	outputs, same = runTranscript(t, steps), true
	for i, s := range steps {
		if !matches(s.output, outputs[i]) {
			same = false
			if !*update {
				t.Errorf("%s:%d: $ %s\nprints:\n%s\nnot:\n%s", file, s.line, s.command, strings.Join(outputs[i], "\n"), strings.Join(s.output, "\n"))
			}
		}
	}
	return outputs, same
}

// TestTranscripts runs the transcripts of mistakes that people make.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txt")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there are no transcripts")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			must(t, err)
			steps := parseTranscript(string(text), 1)
			if len(steps) == 0 {
				t.Fatal("the file has no command")
			}
			outputs, same := checkTranscript(t, file, steps)
			if same || !*update {
				return
			}
			remark, _, _ := strings.Cut(string(text), "$ ")
			var b strings.Builder
			b.WriteString(remark)
			for i, s := range steps {
				if matches(s.output, outputs[i]) {
					outputs[i] = s.output // it may have …
				}
				for _, line := range append([]string{"$ " + strings.ReplaceAll(s.command, "\n", "\n> ")}, outputs[i]...) {
					b.WriteString(line + "\n")
				}
			}
			must(t, os.WriteFile(file, []byte(b.String()), 0o644))
		})
	}
}

// TestMistakesAreToldOnStderr has the transcripts of mistakes print to stdout alone:
// a program that reads it gets nothing from a command that failed.
func TestMistakesAreToldOnStderr(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.txt")
	must(t, err)
	failed := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		steps := parseTranscript(string(text), 1)
		for i, lines := range runShell(t, "exec 2>/dev/null\n", steps) {
			last := ""
			if len(lines) > 0 {
				last = lines[len(lines)-1]
			}
			if !strings.HasPrefix(last, "[exit ") {
				continue
			}
			failed++
			if len(lines) > 1 && !strings.Contains(steps[i].command, "--json") {
				t.Errorf("%s:%d: $ %s\nprints to stdout:\n%s", file, steps[i].line, steps[i].command, strings.Join(lines, "\n"))
			}
		}
	}
	if failed < 30 {
		t.Errorf("%d mistakes", failed)
	}
}

// TestGuide runs the console examples of the guide, all in one folder.
func TestGuide(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "guide", "secret-cli.md")
	text, err := os.ReadFile(file)
	must(t, err)
	var steps []step
	line := 1
	for i, part := range strings.Split(string(text), "```") {
		if body, ok := strings.CutPrefix(part, "console\n"); ok && i%2 == 1 {
			steps = append(steps, parseTranscript(body, line+1)...)
		}
		line += strings.Count(part, "\n")
	}
	if len(steps) < 20 {
		t.Fatalf("the guide has %d commands", len(steps))
	}
	checkTranscript(t, file, steps)
}
