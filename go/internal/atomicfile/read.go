// Package atomicfile reads and replaces the files that decide who may do what or that
// hold secrets: nothing that blocks, grows without end or belongs to others is read, and
// a file is replaced as a whole.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Kind says what other users of the machine may do with a file. Permissions are not
// checked on systems where the mode does not have them.
type Kind int

const (
	// Public is a file that decides nothing by itself, such as a certificate.
	Public Kind = iota
	// Deciding is a file whose content grants something. No other user may write it, or
	// replace it by writing to a folder above it, as with StrictModes of sshd(8).
	Deciding
	// Secret is a Deciding file that no other user may read.
	Secret
)

// Error is why a file is not read. Its text begins with the path.
type Error struct {
	Path    string
	Reason  string
	Special bool // it is a pipe or a device
}

// Error gives the path and the reason, with the command that mends it.
func (e *Error) Error() string { return e.Path + " " + e.Reason }

// errTooLarge is the cause of a file that has more bytes than its reader takes.
func errTooLarge(path string, limit int64) error {
	return &Error{Path: path, Reason: fmt.Sprintf("is too large: at most %d bytes are read", limit)}
}

// Open opens a regular file for reading, and checks its mode and its owner. What would
// block, such as a named pipe or a terminal, is refused without waiting. Errors are
// *Error, or *fs.PathError where the system refuses.
func Open(path string, kind Kind) (*os.File, error) {
	// Some devices act when they are opened, and a pipe's writer would take this for its
	// reader: look first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: cause(err)}
	}
	if err := checkRegular(path, info); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	// It may be another one by now.
	if info, err = file.Stat(); err == nil {
		err = checkRegular(path, info)
	}
	if err == nil && kind != Public {
		err = checkTrust(path, info, kind)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func checkRegular(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return &Error{Path: path, Reason: "is a directory: name the file in it"}
	case !info.Mode().IsRegular():
		return &Error{path, "is not a regular file", true}
	}
	return nil
}

// Read reads a whole file of at most limit bytes, see Open. The limit holds for what is
// read, whatever size the system gives: files may grow meanwhile.
func Read(path string, limit int64, kind Kind) ([]byte, error) {
	file, err := Open(path, kind)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		clear(data)
		return nil, err
	}
	if int64(len(data)) > limit {
		clear(data)
		return nil, errTooLarge(path, limit)
	}
	return data, nil
}

// ReadText is Read for a file of text, see Text. An *Error has the line of what is
// wrong.
func ReadText(path string, limit int64, kind Kind) ([]byte, error) {
	data, err := Read(path, limit, kind)
	if err != nil {
		return nil, err
	}
	text, err := Text(data)
	var bad *TextError
	if errors.As(err, &bad) {
		clear(data)
		if bad.Line == 0 {
			return nil, &Error{Path: path, Reason: bad.Reason}
		}
		return nil, &Error{Path: fmt.Sprintf("%s:%d", path, bad.Line), Reason: bad.Reason}
	}
	return text, err
}

// CheckFolder checks a folder whose files decide something as Open does the folders
// above a Deciding file. One that does not exist passes.
func CheckFolder(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return checkFolders(path)
}
