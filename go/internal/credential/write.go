package credential

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/alkdev/alknet/go/internal/atomicfile"
)

// Add seals a value and writes it as the service's credential; with replace in the
// place of one that is there, which else is a CONFLICT. The value stays the caller's.
// Where there are other credentials and none of them opens, nothing is added, which is
// DECRYPTION_FAILED: with a phrase that has a mistake in it, what is sealed would be
// lost. Other errors: CONFLICT, LOCKED, INVALID_INPUT, RESOURCE_EXHAUSTED, UNAVAILABLE.
func (d *Directory) Add(ctx context.Context, service string, value Value, replace bool) (Info, error) {
	info, err := d.add(ctx, service, value, replace)
	d.tell(ctx, ActionAdd, shown(service), value.Type(), err)
	return info, err
}

func (d *Directory) add(ctx context.Context, service string, value Value, replace bool) (Info, error) {
	if err := CheckService(service); err != nil {
		return Info{}, err
	}
	if err := validate(value); err != nil {
		return Info{}, err
	}
	if err := d.sameKey(ctx, service); err != nil {
		return Info{}, err
	}
	e := entry{service, time.Now().UTC().Truncate(time.Second), value}
	plaintext, err := e.encode()
	if err != nil {
		return Info{}, err
	}
	defer clear(plaintext)
	sealed, err := d.sealer.Encrypt(ctx, plaintext)
	if err != nil {
		return Info{}, ofStore(err, d.file(service))
	}
	text, err := sealed.MarshalJSON()
	if err != nil {
		return Info{}, err
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return Info{}, errorf(Unavailable, "the folder of credentials %s cannot be made: %w", d.path, causeOf(err))
	}
	if err := d.write(service, append(text, '\n'), replace); err != nil {
		return Info{}, err
	}
	return infoOf(e), nil
}

// sameKey refuses a store that opens none of the other credentials.
func (d *Directory) sameKey(ctx context.Context, service string) error {
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	services, err := d.services(root)
	if err != nil {
		return err
	}
	var failed error
	for _, other := range services {
		if other == service {
			continue
		}
		switch entry := d.entry(ctx, root, other); {
		case entry.Info != nil:
			return nil
		case CodeOf(entry.Err) == DecryptionFailed:
			failed = errorf(DecryptionFailed, "none of the credentials in %s opens: they were sealed with another phrase or passphrase than the store's, or were changed, so nothing was added", d.path)
		}
	}
	return failed
}

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
	if err := atomicfile.Write(root, name, text, replace); err != nil {
		return fail(err)
	}
	return nil
}
