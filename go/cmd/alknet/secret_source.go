package main

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/term"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// maxSecretInput bounds what is read of a phrase or a passphrase, in bytes: as much
// as a terminal takes in one line. The longest phrase has 815.
const maxSecretInput = 4096

// secretSource is where a phrase or a passphrase comes from: the terminal, a file
// descriptor or a file. nil is a source of nothing.
type secretSource struct {
	name   string // the flags' stem: phrase, passphrase, key-passphrase
	prompt string
	twice  bool // ask a second time, since a mistake would not show
	fd     int  // -1 for none
	path   string
	ask    bool
	limit  int // of a file or a descriptor, in bytes; 0 is maxSecretInput
}

func newSecretSource(name, prompt string, ask bool, fd *int, path string) (*secretSource, error) {
	s := &secretSource{name: name, prompt: prompt, fd: -1, path: path, ask: ask}
	ways := 0
	if fd != nil {
		s.fd = *fd
		if s.fd < 0 || s.fd == 1 || s.fd == 2 {
			return nil, usagef("--%s-fd takes 0, or a descriptor above 2 that was opened for it, as in --%[1]s-fd 3 3<FILE", name)
		}
		ways++
	}
	if path != "" {
		ways++
	}
	if ask {
		ways++
	}
	switch {
	case ways > 1:
		return nil, usagef("the %s can come from one place: choose the terminal, --%[1]s-fd or --%[1]s-file", name)
	case ways == 0:
		return nil, nil
	}
	return s, nil
}

// checkDescriptors refuses descriptors that are used twice, show what is typed or are
// not open, before anything is read or asked.
func checkDescriptors(dataOnStdin bool, sources ...*secretSource) error {
	users := map[int]string{}
	if dataOnStdin {
		users[0] = "the data"
	}
	for _, s := range sources {
		if s == nil || s.fd < 0 {
			continue
		}
		if user, taken := users[s.fd]; taken {
			return usagef("--%s-fd %d: %s comes from there already", s.name, s.fd, user)
		}
		users[s.fd] = "the " + s.name
		if !inherited(s.fd) {
			return usagef("--%s-fd %d: the descriptor is not open: open it, as in --%[1]s-fd %[2]d %[2]d<FILE", s.name, s.fd)
		}
		if term.IsTerminal(s.fd) {
			return usagef("--%s-fd %d is a terminal, which would show what is typed: leave the flag out and be asked", s.name, s.fd)
		}
	}
	return nil
}

// read returns the secret, which the caller wipes.
func (s *secretSource) read(a *app) ([]byte, error) {
	switch {
	case s == nil:
		return nil, nil
	case s.ask:
		return s.askFor(a)
	case s.fd >= 0:
		file := os.NewFile(uintptr(s.fd), fmt.Sprintf("descriptor %d", s.fd))
		defer file.Close()
		return s.readFrom(a.ctx, file)
	}
	file, err := s.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return s.readFrom(a.ctx, file)
}

// askFor asks on the terminal.
func (s *secretSource) askFor(a *app) ([]byte, error) {
	t, err := openTerminal()
	if err != nil {
		return nil, fmt.Errorf("the %s is asked for on a terminal, and there is none: use --%[1]s-fd or --%[1]s-file", s.name)
	}
	defer t.close()
	first, err := t.ask(a.ctx, s.prompt)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("the %s is empty: nothing was typed", s.name)
	}
	if !s.twice {
		return first, nil
	}
	second, err := t.ask(a.ctx, "Once more: ")
	defer clear(second)
	if err == nil && subtle.ConstantTimeCompare(first, second) != 1 {
		err = fmt.Errorf("the two %ss differ: nothing was done", s.name)
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// open opens the file and checks it as ssh does a key file. A name that leads
// nowhere is not told: it may be the secret itself.
func (s *secretSource) open() (*os.File, error) {
	file, err := atomicfile.Open(s.path, atomicfile.Secret)
	var cause syscall.Errno
	var refused *atomicfile.Error
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--%s-file names no file that exists: it takes the name of a file, not the %[1]s", s.name)
	case errors.As(err, &refused) && refused.Special:
		return nil, fmt.Errorf("%w: for a pipe use --%s-fd, as in --%[2]s-fd 3 3< <(command)", err, s.name)
	case errors.As(err, &refused):
		return nil, err
	case errors.As(err, &cause):
		return nil, fmt.Errorf("--%s-file cannot be read: %w", s.name, cause)
	}
	return nil, fmt.Errorf("--%s-file cannot be read", s.name)
}

func (s *secretSource) readFrom(ctx context.Context, r io.Reader) ([]byte, error) {
	limit := cmp.Or(s.limit, maxSecretInput)
	data, err := readWiped(ctx, r, limit)
	switch {
	case errors.Is(err, errTooLong):
		return nil, fmt.Errorf("the %s has more than %d bytes", s.name, limit)
	case err != nil:
		return nil, fmt.Errorf("read the %s: %w", s.name, err)
	}
	text, err := atomicfile.WithoutMark(data)
	if err != nil {
		clear(data)
		return nil, fmt.Errorf("the %s: %w", s.name, err)
	}
	data = text
	// One line end belongs to the file, not to the passphrase.
	if n := len(data); n > 0 && data[n-1] == '\n' {
		data = data[:n-1]
		if n := len(data); n > 0 && data[n-1] == '\r' {
			data = data[:n-1]
		}
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("the %s is empty", s.name)
	}
	return data, nil
}

var errTooLong = errors.New("too long")

// readWiped reads to the end, at most limit bytes, and leaves no copies of what it
// read behind: buffers that become too small are wiped.
func readWiped(ctx context.Context, r io.Reader, limit int) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		buf := make([]byte, 0, min(limit+1, 64<<10))
		for {
			n, err := r.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
			switch {
			case len(buf) > limit:
				err = errTooLong
			case err == io.EOF:
				done <- result{data: buf}
				return
			case err == nil && len(buf) == cap(buf):
				larger := append(make([]byte, 0, min(limit+1, 2*cap(buf))), buf...)
				clear(buf)
				buf = larger
			}
			if err != nil {
				clear(buf)
				done <- result{err: err}
				return
			}
		}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done(): // the program ends, and the read with it
		return nil, errInterrupted
	}
}
