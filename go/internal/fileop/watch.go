package fileop

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

const watchSchema = `{"type":"object","required":["path"],"additionalProperties":false,"properties":{
	"path":` + pathSchema + `,
	"interval":{"type":"integer","minimum":50,"maximum":3600000,"default":500,"description":"milliseconds between two looks"}}}`

// change is one event of /fs/watch. The first one of a watch is "watching": what
// happens after it is not missed.
type change struct {
	Event string `json:"event"` // "watching", "created", "changed" or "removed"
	entry
}

// look is what is compared between two looks at an entry.
type look struct {
	entry
	mode fs.FileMode
	id   string // another file under the same name is a change
}

// watch looks at a file, or at the entries of a folder, again and again. The
// notices of the operating system go by path, and a path can be led astray while
// they are set up; looking through an os.Root cannot.
func (f *Folder) watch(ctx context.Context, req *call.Request, send func(any) error) error {
	var input struct {
		Path     string
		Interval int64
	}
	if err := strictjson.Unmarshal(req.Input(), &input); err != nil {
		return call.Errorf(call.InvalidInput, "the input cannot be read: %w", err)
	}
	name, err := within(input.Path)
	if err != nil {
		return err
	}
	if input.Interval == 0 {
		input.Interval = 500
	}
	path, end, limited := f.watches.begin(req.CallerID(), name)
	if limited != nil {
		return limited
	}
	defer end()
	interval := time.Duration(input.Interval) * time.Millisecond
	look := func() (map[string]look, error) { return f.look(name) }
	known, err := path.look(0, look)
	if err != nil {
		return err
	}
	if err := send(change{Event: "watching", entry: known["."].entry}); err != nil {
		return err
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now, err := path.look(interval/2, look)
		if call.CodeOf(err) == NoSuchFile {
			return send(change{Event: "removed", entry: known["."].entry}) // the watched path itself: that was all
		}
		if err != nil {
			return err
		}
		for _, event := range compare(known, now) {
			if err := send(event); err != nil {
				return err
			}
		}
		known = now
	}
}

// look returns what is at a path, under ".", and the entries of a folder.
func (f *Folder) look(name string) (map[string]look, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, refusal(err, name)
	}
	found := map[string]look{".": lookOf(info)}
	if !info.IsDir() {
		return found, nil
	}
	folder, err := f.openFolder(name)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := firstNames(folder, "", f.cfg.MaxEntries+1)
	if err != nil {
		return nil, refusal(err, name)
	}
	if len(names) > f.cfg.MaxEntries {
		e := call.Errorf(call.ResourceExhausted, "%.200q has more than %d entries: watch one of its files", name, f.cfg.MaxEntries)
		e.Retryable = false
		return nil, e
	}
	for _, n := range names {
		info, err := folder.Lstat(n)
		if err != nil {
			continue // it is gone, or cannot be looked at: the others can
		}
		found[n] = lookOf(info)
	}
	return found, nil
}

func lookOf(info os.FileInfo) look { return look{entryOf(info), info.Mode(), fileID(info)} }

// compare gives what has changed, sorted by name. A folder itself changes with its
// entries, which say more.
func compare(before, now map[string]look) []change {
	var events []change
	for _, n := range slices.Sorted(maps.Keys(now)) {
		old, known := before[n]
		switch {
		case n == "." && now[n].Type == "folder" && old.Type == "folder":
		case !known:
			events = append(events, change{"created", now[n].entry})
		case old != now[n]:
			events = append(events, change{"changed", now[n].entry})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(before)) {
		if _, still := now[n]; !still {
			events = append(events, change{"removed", before[n].entry})
		}
	}
	return events
}
