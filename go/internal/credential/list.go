package credential

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Entry is what List tells of one service.
type Entry struct {
	Service string
	// Changed is when the file was written.
	Changed time.Time
	// KeyVersion is that of the sealing key; 0 where the file is damaged.
	KeyVersion uint32
	// Info is nil while the store is locked, and where Err is not nil.
	Info *Info
	// Err says why the credential cannot be read, as Get would.
	Err error
}

// List returns all credentials by name. While the store is locked it tells names, and
// when the files were written. One that cannot be read has an error of its own. Errors:
// RESOURCE_EXHAUSTED where there are more than MaxServices, INVALID_INPUT, UNAVAILABLE.
func (d *Directory) List(ctx context.Context) ([]Entry, error) {
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return []Entry{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	services, err := d.services(root)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(services))
	for _, service := range services {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entries = append(entries, d.entry(ctx, root, service))
	}
	return entries, nil
}

func (d *Directory) entry(ctx context.Context, root *os.Root, service string) Entry {
	sealed, changed, err := d.readIn(root, service)
	found := Entry{Service: service, Changed: changed, KeyVersion: sealed.KeyVersion, Err: err}
	if err != nil {
		return found
	}
	e, err := d.openEntry(ctx, service, sealed)
	switch {
	case CodeOf(err) == Locked:
	case err != nil:
		found.Err = err
	default:
		info := infoOf(e)
		found.Info = &info
		e.value.Wipe()
	}
	return found
}

// services returns the names of the services that have a file, sorted. Other files are
// none of its business.
func (d *Directory) services(root *os.Root) ([]string, error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, errorf(Unavailable, "the folder of credentials %s cannot be read: %w", d.path, causeOf(err))
	}
	defer folder.Close()
	var services []string
	for {
		files, err := folder.ReadDir(256)
		for _, file := range files {
			service, ok := strings.CutSuffix(file.Name(), fileSuffix)
			if !ok || CheckService(service) != nil {
				continue
			}
			if services = append(services, service); len(services) > MaxServices {
				return nil, errorf(ResourceExhausted, "%s has more than %d credentials", d.path, MaxServices)
			}
		}
		if errors.Is(err, io.EOF) {
			slices.Sort(services)
			return services, nil
		}
		if err != nil {
			return nil, errorf(Unavailable, "the folder of credentials %s cannot be read: %w", d.path, causeOf(err))
		}
	}
}
