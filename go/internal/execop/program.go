package execop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/call"
)

// program is one that is offered.
type program struct {
	runner *Runner
	path   string
	args   []string

	credentials []string // services
}

// call answers a query or a mutation.
func (p *program) call(ctx context.Context, req *call.Request) (any, error) {
	r, err := p.start(ctx, req)
	if err != nil {
		return nil, err
	}
	limit := p.runner.cfg.MaxOutput
	output, readErr := io.ReadAll(io.LimitReader(r.stdout, int64(limit)+1))
	tooMuch := len(output) > limit
	if tooMuch {
		r.signal(kill)
	}
	err = r.wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case tooMuch:
		return nil, tooLarge("the output", req, limit)
	case err != nil:
		return nil, failure(err, output)
	case readErr != nil && !errors.Is(readErr, os.ErrClosed):
		return nil, fmt.Errorf("read the output of %s: %w", p.path, readErr)
	}
	output = bytes.TrimSpace(output)
	if len(output) == 0 {
		return nil, nil
	}
	if !valid(output) {
		return nil, fmt.Errorf("the output of %s is not JSON in UTF-8", p.path)
	}
	return json.RawMessage(output), nil
}

// stream sends the lines of a subscription.
func (p *program) stream(ctx context.Context, req *call.Request, send func(any) error) error {
	r, err := p.start(ctx, req)
	if err != nil {
		return err
	}
	sendErr := p.lines(r.stdout, req, send)
	if sendErr != nil {
		r.signal(kill)
	}
	err = r.wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case sendErr != nil:
		return sendErr
	case err != nil:
		return failure(err, nil)
	}
	return nil
}

func (p *program) lines(stdout io.Reader, req *call.Request, send func(any) error) error {
	limit := p.runner.cfg.MaxOutput
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, limit+1)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if !valid(line) {
			return fmt.Errorf("a line of the output of %s is not JSON in UTF-8", p.path)
		}
		if err := send(json.RawMessage(bytes.Clone(line))); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return tooLarge("a line of the output", req, limit)
	}
	return nil // the rest is the end of the program, which says more
}

// valid reports whether a program's output can be sent as it is.
func valid(output []byte) bool { return utf8.Valid(output) && json.Valid(output) }

func tooLarge(what string, req *call.Request, limit int) *call.Error {
	err := call.Errorf(call.ResourceExhausted, "%s of %s has more than %d bytes", what, req.Operation(), limit)
	err.Retryable = false
	return err
}

var codePattern = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// failure is the error of a program that did not end well: the one that it has
// written as its output, {"code","message","details"?}, or one that says how it ended.
func failure(err error, output []byte) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if own := call.ParseError(output); utf8.Valid(output) && codePattern.MatchString(string(own.Code)) && own.Message != "" && own.Code != call.Internal {
		return own
	}
	if exit.ExitCode() < 0 {
		e := call.Errorf(Failed, "the program was ended by %s", exit.ProcessState)
		e.Details, _ = json.Marshal(map[string]any{"signal": fmt.Sprint(exit.ProcessState)})
		return e
	}
	e := call.Errorf(Failed, "the program ended with status %d; its node has logged what it said", exit.ExitCode())
	e.Details, _ = json.Marshal(map[string]any{"status": exit.ExitCode()})
	return e
}
