package credential

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
)

// write puts a file in its place, as a whole: with replace in the place of another,
// else only where there is none.
func (d *Directory) write(service string, text []byte, replace bool) error {
	root, err := d.root()
	if err != nil {
		return err
	}
	defer root.Close()
	name := service + fileSuffix
	fail := func(err error) error {
		if errors.Is(err, fs.ErrExist) {
			return errorf(Conflict, "there is a credential for %s already: replace it, or remove it first", service)
		}
		return errorf(Unavailable, "%s cannot be written: %w", d.file(service), causeOf(err))
	}
	services, err := d.services(root)
	if err != nil {
		return err
	}
	_, err = root.Lstat(name)
	switch {
	case err == nil && !replace:
		return fail(fs.ErrExist)
	case err != nil && len(services) >= MaxServices:
		return errorf(ResourceExhausted, "%s has %d credentials, which is the limit", d.path, MaxServices)
	}
	// The name is none of a service's: it begins with a dot.
	beside := "." + name + "." + rand.Text()
	file, err := root.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(err)
	}
	defer root.Remove(beside)
	_, err = file.Write(text)
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
		return fail(err)
	}
	syncFolder(root)
	return nil
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
