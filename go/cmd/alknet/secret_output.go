package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// secretOutput is where a secret goes: a new file of its owner, or a file
// descriptor. nil goes nowhere.
type secretOutput struct {
	name string // the flags' stem: out, private
	path string
	fd   int // -1 for none
	file *os.File
}

// newSecretOutput checks the flags. lowest is the first descriptor that may be taken.
func newSecretOutput(name, path string, fd *int, lowest int) (*secretOutput, error) {
	switch {
	case path == "" && fd == nil:
		return nil, nil
	case path != "" && fd != nil:
		return nil, usagef("choose one of --%s-fd and a file", name)
	case fd == nil:
		return &secretOutput{name: name, path: path, fd: -1}, nil
	case *fd < lowest:
		return nil, usagef("--%s-fd takes a descriptor from %d up, as in --%[1]s-fd 3 3>FILE: those below are in use", name, lowest)
	}
	if !inherited(*fd) {
		return nil, usagef("--%s-fd %d: the descriptor is not open: open it, as in --%[1]s-fd %[2]d %[2]d>FILE", name, *fd)
	}
	return &secretOutput{name: name, fd: *fd}, nil
}

// open makes the file, before there is anything to lose.
func (o *secretOutput) open() (err error) {
	if o.fd >= 0 {
		o.file = os.NewFile(uintptr(o.fd), fmt.Sprintf("descriptor %d", o.fd))
		return nil
	}
	o.file, err = createFile(o.path, 0o600)
	return err
}

// write writes the secret and closes the output. On an error a file that was made is
// removed.
func (o *secretOutput) write(data []byte) error {
	if o.fd >= 0 {
		_, err := o.file.Write(data)
		if err == nil {
			err = o.file.Close()
		}
		if err != nil {
			return fmt.Errorf("write to descriptor %d: %w", o.fd, causeOf(err))
		}
		return nil
	}
	return finishFile(o.file, data)
}

// abandon removes a file that was made and not written.
func (o *secretOutput) abandon() {
	if o.fd < 0 {
		o.file.Close()
		_ = os.Remove(o.path)
	}
}

// createFile makes a new file. One that exists is never replaced.
func createFile(path string, mode fs.FileMode) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists and stays as it is: name another file, or move it away", path)
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, causeOf(err))
	}
	return file, nil
}

// finishFile writes a new file to the disk, or removes it.
func finishFile(file *os.File, data []byte) error {
	_, err := file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", file.Name(), causeOf(err))
	}
	return nil
}

// causeOf returns what the system said, without the path that the message has
// already.
func causeOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// writeSecret writes bytes to stdout as they are.
func writeSecret(w io.Writer, data []byte) error {
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write the output: %w", causeOf(err))
	}
	return nil
}
