// Package fileop offers one folder of this machine as operations: /fs/read,
// /fs/write, /fs/list, /fs/stat and /fs/watch, inside that folder and nowhere else.
//
// Open opens the folder and Register offers it. Every access goes through an os.Root:
// a path that leaves the folder, by "..", by a symbolic link or by a folder that
// becomes a link while it is walked, is FORBIDDEN. What os.Root does not hold back is
// not held back here either: hard links, and file systems mounted inside the folder.
// Only regular files are read and written; a device or a pipe would block.
package fileop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/share"
)

// Config configures a Folder. Path is required.
type Config struct {
	// Path is the folder.
	Path string
	// ReadOnly leaves /fs/write out.
	ReadOnly bool
	// MaxBytes is how much of a file one request may read or write: 0 means 8 MiB.
	// A frame must hold it, as base64 (RFC 4648) takes a third more.
	MaxBytes int64
	// MaxEntries is how many entries of a folder are listed at once, and watched: 0
	// means 10,000.
	MaxEntries int
	// MaxAtOnce is how many requests may hold a file's contents at the same time; others
	// wait: 0 means 16.
	MaxAtOnce int
}

// NoSuchFile is the code for a path that names nothing.
const NoSuchFile call.Code = "NO_SUCH_FILE"

// Folder is a folder that is offered. It is safe for concurrent use.
type Folder struct {
	root    *os.Root
	cfg     Config
	holding *share.Places
	watches watches
}

// Open opens the folder. Close it when nothing is offered any more.
func Open(cfg Config) (*Folder, error) {
	cfg.MaxBytes = cmp.Or(max(cfg.MaxBytes, 0), 8<<20)
	cfg.MaxEntries = cmp.Or(max(cfg.MaxEntries, 0), 10_000)
	cfg.MaxAtOnce = cmp.Or(max(cfg.MaxAtOnce, 0), 16)
	root, err := os.OpenRoot(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("open the folder to offer: %w", err)
	}
	return &Folder{root: root, cfg: cfg, holding: share.New(cfg.MaxAtOnce)}, nil
}

// Close releases the folder; requests that come after it fail.
func (f *Folder) Close() error { return f.root.Close() }

// The scopes that callers need.
const (
	ReadScope  = "fs:read"  // for all operations but /fs/write
	WriteScope = "fs:write" // for /fs/write
)

// Register offers the folder's operations.
func (f *Folder) Register(registry *call.Registry) error {
	type add func(call.OperationSpec) error
	handle := func(h call.Handler) add {
		return func(spec call.OperationSpec) error { return registry.Handle(spec, h) }
	}
	operations := []struct {
		name, typ, scope, description, schema string
		add                                   add
	}{
		{"/fs/read", call.TypeQuery, ReadScope, "Reads a file, or a part of it", readSchema, handle(f.read)},
		{"/fs/list", call.TypeQuery, ReadScope, "Lists a folder, sorted by name", listSchema, handle(f.list)},
		{"/fs/stat", call.TypeQuery, ReadScope, "Tells what a path is", statSchema, handle(f.stat)},
		{"/fs/watch", call.TypeSubscription, ReadScope, "Tells when a file, or an entry of a folder, comes, changes or goes", watchSchema,
			func(spec call.OperationSpec) error { return registry.HandleStream(spec, f.watch) }},
		{"/fs/write", call.TypeMutation, WriteScope, "Writes a file: as a whole, or at its end", writeSchema, handle(f.write)},
	}
	for _, o := range operations {
		if o.scope == WriteScope && f.cfg.ReadOnly {
			continue
		}
		if err := o.add(call.OperationSpec{
			Name: o.name, Type: o.typ, Description: o.description, InputSchema: json.RawMessage(o.schema),
			ErrorSchemas:  map[string]json.RawMessage{string(NoSuchFile): json.RawMessage("true")},
			AccessControl: call.AccessControl{RequiredScopes: []string{o.scope}},
		}); err != nil {
			return err
		}
	}
	return nil
}

// pathSchema is the schema of a path, for the schemas of the operations.
const pathSchema = `{"type":"string","maxLength":4096,"description":"within the folder, separated by '/'; a leading '/' stands for the folder itself"}`

// within gives a caller's path as os.Root takes it.
func within(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", call.Errorf(call.InvalidInput, "the path holds a NUL character")
	}
	name = strings.TrimLeft(name, "/")
	if name == "" {
		return ".", nil
	}
	return name, nil
}

// hold waits until the contents of one more file may be held for the caller.
func (f *Folder) hold(ctx context.Context, req *call.Request) (release func(), err error) {
	caller := req.CallerID()
	if err := f.holding.Take(ctx, caller); err != nil {
		return nil, err
	}
	return func() { f.holding.Give(caller) }, nil
}

// open opens a regular file, without waiting for whoever is at the other end of a pipe.
func (f *Folder) open(root *os.Root, name string, flag int, perm fs.FileMode) (*os.File, fs.FileInfo, error) {
	file, err := root.OpenFile(name, flag|openNonBlocking, perm)
	if err != nil {
		return nil, nil, refusal(err, name)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = call.Errorf(call.InvalidInput, "%.200q is %s: want a regular file", name, kindOf(info.Mode()))
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, refusal(err, name)
	}
	return file, info, nil
}

// refusal gives a file system's error its code, and a text without this machine's
// paths.
func refusal(err error, name string) error {
	var coded *call.Error
	if errors.As(err, &coded) {
		return coded
	}
	inner := err
	for { // os wraps some of its errors twice
		var at *fs.PathError
		var link *os.LinkError
		if errors.As(inner, &at) {
			inner = at.Err
		} else if errors.As(inner, &link) {
			inner = link.Err
		} else {
			break
		}
	}
	switch {
	case inner.Error() == "path escapes from parent": // os exports neither this one
		return call.Errorf(call.Forbidden, "%.200q leads out of the folder that is offered", name)
	case errors.Is(inner, fs.ErrNotExist):
		return call.Errorf(NoSuchFile, "there is no %.200q", name)
	case errors.Is(inner, fs.ErrExist):
		return call.Errorf(call.Conflict, "%.200q exists", name)
	case errors.Is(inner, fs.ErrPermission):
		return call.Errorf(call.Forbidden, "this node may not open %.200q", name)
	case errors.Is(inner, fs.ErrInvalid), errors.Is(inner, syscall.EINVAL), errors.Is(inner, syscall.ENAMETOOLONG), errors.Is(inner, syscall.ELOOP),
		errors.Is(inner, syscall.ENOTDIR), inner.Error() == "not a directory", // nor this one
		errors.Is(inner, syscall.EISDIR), errors.Is(inner, syscall.ENXIO):
		return call.Errorf(call.InvalidInput, "%.200q: %w", name, inner)
	case errors.Is(inner, syscall.ENOSPC), errors.Is(inner, syscall.EMFILE), errors.Is(inner, syscall.ENFILE):
		return call.Errorf(call.ResourceExhausted, "%.200q: %w", name, inner)
	}
	return err // logged here, and INTERNAL for the caller
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeSymlink != 0:
		return "link"
	}
	return "other"
}

// entry is what is told of a file or folder.
type entry struct {
	Name     string    `json:"name"`
	Type     string    `json:"type"` // "file", "folder", "link" or "other"
	Size     int64     `json:"size"` // bytes; 0 of what is not a file
	Modified time.Time `json:"modified"`
}

func entryOf(info fs.FileInfo) entry {
	e := entry{Name: path.Base(info.Name()), Type: kindOf(info.Mode()), Modified: info.ModTime().UTC()}
	if info.Mode().IsRegular() {
		e.Size = info.Size()
	}
	return e
}
