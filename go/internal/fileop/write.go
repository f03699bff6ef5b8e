package fileop

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

const writeSchema = `{"type":"object","required":["path","content"],"additionalProperties":false,"properties":{
	"path":` + pathSchema + `,
	"content":{"type":"string"},
	"encoding":{"enum":["utf8","base64"],"default":"utf8"},
	"mode":{"enum":["replace","create","append"],"default":"replace","description":"replace: the whole file, at once; create: CONFLICT if it exists; append: at its end"},
	"parents":{"type":"boolean","default":false,"description":"makes the folders of the path that are missing"}}}`

// newFileMode is the mode of a file that is made, before the process's umask.
const newFileMode = 0o666

func (f *Folder) write(ctx context.Context, req *call.Request) (any, error) {
	var input struct {
		Path, Content, Encoding, Mode string
		Parents                       bool
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return nil, call.Errorf(call.InvalidInput, "the input cannot be read: %w", err)
	}
	name, err := within(input.Path)
	if err != nil {
		return nil, err
	}
	release, err := f.hold(ctx, req)
	if err != nil {
		return nil, err
	}
	defer release()
	data := []byte(input.Content)
	if input.Encoding == "base64" {
		if data, err = base64.StdEncoding.DecodeString(input.Content); err != nil {
			return nil, call.Errorf(call.InvalidInput, "the content is not base64 (RFC 4648, section 4)")
		}
	}
	if int64(len(data)) > f.cfg.MaxBytes {
		e := call.Errorf(call.ResourceExhausted, "the content has %d bytes and one request writes at most %d: write it in parts, with the mode append", len(data), f.cfg.MaxBytes)
		e.Retryable = false
		return nil, e
	}
	folder, base := path.Split(path.Clean(name))
	if base == "." || base == ".." {
		return nil, call.Errorf(call.InvalidInput, "%.200q is a folder: want the path of a file", name)
	}
	folder = path.Clean(folder)
	if input.Parents {
		if err := f.root.MkdirAll(folder, 0o777); err != nil {
			return nil, refusal(err, folder)
		}
	}
	// The folder is opened once: what is done in it is done in this one, whatever its
	// path leads to meanwhile.
	parent, err := openFolder(f.root, folder)
	if err != nil {
		return nil, refusal(err, folder)
	}
	defer parent.Close()
	var size int64
	switch input.Mode {
	case "append":
		size, err = f.appendTo(parent, base, data)
	case "create":
		size, err = int64(len(data)), create(parent, base, data, 0)
	default:
		size, err = int64(len(data)), replace(parent, base, data)
	}
	if err != nil {
		return nil, refusal(err, name)
	}
	return map[string]any{"bytes": len(data), "size": size}, nil
}

// appendTo writes at the end of a file and returns its size.
func (f *Folder) appendTo(parent *os.Root, base string, data []byte) (int64, error) {
	file, _, err := f.open(parent, base, os.O_WRONLY|os.O_APPEND|os.O_CREATE, newFileMode)
	if err != nil {
		return 0, err
	}
	_, err = file.Write(data)
	info, statErr := file.Stat()
	if err = errors.Join(err, statErr, file.Close()); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// create writes a file that must not be there yet; perm is the mode that it gets, 0
// that of any new file.
func create(parent *os.Root, base string, data []byte, perm fs.FileMode) error {
	file, err := parent.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
	if err != nil {
		return err
	}
	if perm != 0 {
		err = file.Chmod(perm)
	}
	if err == nil {
		_, err = file.Write(data)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = parent.Remove(base)
	}
	return err
}

// replace puts a new file in the place of an old one, so that a reader sees the one
// or the other. A link is replaced, not followed.
func replace(parent *os.Root, base string, data []byte) error {
	perm := fs.FileMode(0)
	switch old, err := parent.Lstat(base); {
	case err == nil && old.IsDir():
		return call.Errorf(call.InvalidInput, "%.200q is a folder: want the path of a file", base)
	case err == nil && old.Mode().IsRegular():
		perm = old.Mode().Perm()
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temporary := ".alknet-" + rand.Text() + ".tmp"
	if err := create(parent, temporary, data, perm); err != nil {
		return err
	}
	if err := parent.Rename(temporary, base); err != nil {
		_ = parent.Remove(temporary)
		return err
	}
	return nil
}
