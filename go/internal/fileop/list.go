package fileop

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

const (
	listSchema = `{"type":["object","null"],"additionalProperties":false,"properties":{
		"path":` + pathSchema + `,
		"after":{"type":"string","description":"goes on behind this name"},
		"limit":{"type":"integer","minimum":1,"description":"at most so many entries"}}}`
	statSchema = `{"type":"object","required":["path"],"additionalProperties":false,"properties":{
		"path":` + pathSchema + `,
		"follow":{"type":"boolean","default":true,"description":"whether a link stands for what it points to"}}}`
)

// listing is the output of /fs/list.
type listing struct {
	Entries []entry `json:"entries"`
	More    bool    `json:"more"` // list again, with after: the last entry's name
}

func (f *Folder) list(_ context.Context, req *call.Request) (any, error) {
	var input struct {
		Path, After string
		Limit       int
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return nil, call.Errorf(call.InvalidInput, "the input cannot be read: %w", err)
	}
	name, err := within(input.Path)
	if err != nil {
		return nil, err
	}
	folder, err := f.openFolder(name)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	limit := f.cfg.MaxEntries
	if input.Limit > 0 {
		limit = min(limit, input.Limit)
	}
	names, err := firstNames(folder, input.After, limit+1)
	if err != nil {
		return nil, refusal(err, name)
	}
	out := listing{Entries: []entry{}, More: len(names) > limit}
	for _, n := range names[:min(limit, len(names))] {
		if info, err := folder.Lstat(n); err == nil { // else it has gone meanwhile
			out.Entries = append(out.Entries, entryOf(info))
		}
	}
	return out, nil
}

// openFolder opens a folder; what is looked at in it is in this one, whatever the
// path leads to meanwhile.
func (f *Folder) openFolder(name string) (*os.Root, error) {
	folder, err := openFolder(f.root, name)
	if err != nil {
		return nil, refusal(err, name)
	}
	return folder, nil
}

// openFolder opens a folder and nothing else: without the '/', OpenRoot would wait at
// a pipe for its other end.
func openFolder(root *os.Root, name string) (*os.Root, error) { return root.OpenRoot(name + "/") }

// firstNames returns the n names that come first behind after, sorted. Those that are no
// UTF-8 are left out: no JSON text has them, and another name would be another file's. It holds no
// more than twice as many, however many there are.
func firstNames(folder *os.Root, after string, n int) ([]string, error) {
	file, err := folder.Open(".")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var names []string
	cut := func() {
		slices.Sort(names)
		names = names[:min(n, len(names))]
	}
	for {
		some, err := file.Readdirnames(1024)
		for _, name := range some {
			if strings.Compare(name, after) > 0 && utf8.ValidString(name) {
				names = append(names, name)
			}
		}
		if len(names) >= 2*n {
			cut()
		}
		if err != nil {
			cut()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return names, err
		}
	}
}

func (f *Folder) stat(_ context.Context, req *call.Request) (any, error) {
	var input struct {
		Path   string
		Follow *bool
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return nil, call.Errorf(call.InvalidInput, "the input cannot be read: %w", err)
	}
	name, err := within(input.Path)
	if err != nil {
		return nil, err
	}
	look := f.root.Stat
	if input.Follow != nil && !*input.Follow {
		look = f.root.Lstat
	}
	info, err := look(name)
	if err != nil {
		return nil, refusal(err, name)
	}
	e := entryOf(info)
	out := struct {
		entry
		Mode   string `json:"mode"`
		Target string `json:"target,omitempty"` // of a link
	}{entry: e, Mode: info.Mode().Perm().String()}
	if info.Mode()&fs.ModeSymlink != 0 {
		out.Target, _ = f.root.Readlink(name) // gone meanwhile: no target
	}
	return out, nil
}
