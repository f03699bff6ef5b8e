package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// newMode is the mode of a file that replaces none.
const newMode = 0o600

// Replace puts a file in the place of another, so that a reader sees the one or the
// other. Owner, group and permissions of the replaced file stay; a new file is readable
// by its owner alone. Of a symbolic link the target is replaced.
func Replace(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err == nil {
		defer root.Close()
		err = Write(root, filepath.Base(path), data, true)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	return nil
}

// Create writes a new file, readable by its owner alone. One that exists is never
// replaced: the error matches fs.ErrExist.
func Create(path string, data []byte) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err == nil {
		defer root.Close()
		err = Write(root, filepath.Base(path), data, false)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	return nil
}

// Write is Replace or, without replace, Create, in a folder that is open. A link is
// replaced, not followed.
func Write(root *os.Root, name string, data []byte, replace bool) error {
	old, err := root.Lstat(name)
	switch {
	case err == nil && !replace:
		return fs.ErrExist
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && !old.Mode().IsRegular():
		old = nil
	}
	// The name begins with a dot: it is no credential's, and is not listed as a rule.
	beside := "." + name + "." + rand.Text()
	file, err := root.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newMode)
	if err != nil {
		return err
	}
	defer root.Remove(beside)
	if old != nil {
		err = keep(file, old)
	}
	if err == nil {
		_, err = file.Write(data)
	}
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = place(root, beside, name, replace)
	}
	if err != nil {
		return err
	}
	syncFolder(root)
	return nil
}

// keep gives a new file the owner, the group and the permissions of the old one. The
// permissions come last: until then its owner alone can read it.
func keep(file *os.File, old fs.FileInfo) error {
	if err := keepOwner(file, old); err != nil {
		return fmt.Errorf("its owner and group cannot be kept, write it as its owner: %w", cause(err))
	}
	return file.Chmod(old.Mode().Perm())
}

// place gives a file its name. A link, unlike a rename, fails where there is one
// already; file systems without links are renamed on, between two looks of another
// process.
func place(root *os.Root, from, to string, replace bool) error {
	if !replace {
		err := root.Link(from, to)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return root.Rename(from, to)
}

// syncFolder has the new name survive a crash, where the system can do that.
func syncFolder(root *os.Root) {
	if folder, err := root.Open("."); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
}

// cause returns what the system said, without names of files that the message has
// already or that the user does not know.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
