package credential

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/alkdev/alknet/go/secret"
)

const (
	// MaxServices bounds how many credentials a Directory has.
	MaxServices = 1024

	// fileSuffix ends the name of a credential's file.
	fileSuffix = ".json"
	// maxFile bounds a file, in bytes: MaxEntry and a tag in base64, and room for the
	// rest. Nothing of a larger one is read.
	maxFile = (MaxEntry/3+16)*4 + 4096
)

// Config configures a Directory.
type Config struct {
	// Path is the folder. It is made, for its owner alone, when a credential is added.
	Path string
	// Sealer seals and opens the files; nil is one that is always locked, with which
	// only List and Remove are of use.
	Sealer Sealer
	// OnEvent is told what was done, afterwards and on the goroutine that did it.
	// Calls can be concurrent. nil for none.
	OnEvent func(Event)
}

// Directory keeps credentials in a folder, one file a service: SERVICE.json, an
// EncryptedData, mode 0600. A file is written beside its place and then moved into
// it, so that readers, in whatever process, see the one or the other. It is a
// Provider, and holds nothing open and nothing in memory.
type Directory struct {
	path    string
	sealer  Sealer
	onEvent func(Event)
}

// NewDirectory makes a Directory; it touches nothing.
func NewDirectory(cfg Config) *Directory {
	d := &Directory{path: cfg.Path, sealer: cfg.Sealer, onEvent: cfg.OnEvent}
	if d.sealer == nil {
		d.sealer = locked{}
	}
	return d
}

// locked is the Sealer of a Directory without one.
type locked struct{}

func (locked) Encrypt(context.Context, []byte) (secret.EncryptedData, error) {
	return secret.EncryptedData{}, errorf(Locked, "there is no secret store to seal with")
}

func (locked) Decrypt(context.Context, secret.EncryptedData) ([]byte, error) {
	return nil, errorf(Locked, "there is no secret store to open with")
}

// Path returns the folder.
func (d *Directory) Path() string { return d.path }

func (d *Directory) file(service string) string { return filepath.Join(d.path, service+fileSuffix) }

func (d *Directory) tell(ctx context.Context, action Action, service string, t Type, err error) {
	if d.onEvent != nil {
		d.onEvent(Event{Time: time.Now(), Action: action, Service: service, Type: t, Code: CodeOf(err), User: userOf(ctx)})
	}
}

// Get reads the credential of a service from its file. Errors: NOT_FOUND, LOCKED,
// DECRYPTION_FAILED for a file that was sealed with another phrase or was changed,
// INVALID_INPUT for a name or a file that is none, which the error names, UNAVAILABLE.
func (d *Directory) Get(ctx context.Context, service string) (Credential, error) {
	c, err := d.get(ctx, service)
	d.tell(ctx, ActionGet, shown(service), c.info.Type, err)
	return c, err
}

// shown is a service's name for an event: what is none may be anything.
func shown(service string) string {
	if CheckService(service) != nil {
		return ""
	}
	return service
}

func (d *Directory) get(ctx context.Context, service string) (Credential, error) {
	if err := CheckService(service); err != nil {
		return Credential{}, err
	}
	sealed, _, err := d.read(service)
	if err != nil {
		return Credential{}, err
	}
	return d.Unseal(ctx, service, sealed)
}

// Unseal makes a Credential of its sealed form, whatever the folder holds by now. The
// error names the file that the form was read from. Errors are those of Get.
func (d *Directory) Unseal(ctx context.Context, service string, sealed secret.EncryptedData) (Credential, error) {
	e, err := d.openEntry(ctx, service, sealed)
	if err != nil {
		return Credential{}, err
	}
	defer e.value.Wipe()
	user := userOf(ctx)
	info := infoOf(e)
	return Credential{info: info, sealed: &sealed, open: func(ctx context.Context) (Value, error) {
		e, err := d.openEntry(ctx, service, sealed)
		d.tell(WithUser(ctx, user), ActionOpen, service, info.Type, err)
		if err != nil {
			return nil, err
		}
		return e.value, nil
	}}, nil
}

func (d *Directory) openEntry(ctx context.Context, service string, sealed secret.EncryptedData) (entry, error) {
	plaintext, err := d.sealer.Decrypt(ctx, sealed)
	if err != nil {
		return entry{}, ofStore(err, d.file(service))
	}
	defer clear(plaintext)
	e, err := decode(plaintext)
	if err != nil {
		return entry{}, errorf(InvalidInput, "%s is sealed with this phrase and holds no credential: remove it", d.file(service))
	}
	if e.service != service {
		e.value.Wipe()
		return entry{}, errorf(InvalidInput, "%s holds the credential of another service: files must keep their names", d.file(service))
	}
	return e, nil
}

// read reads and checks a file, without opening what it seals.
func (d *Directory) read(service string) (secret.EncryptedData, time.Time, error) {
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return secret.EncryptedData{}, time.Time{}, d.notFound(service)
	}
	if err != nil {
		return secret.EncryptedData{}, time.Time{}, err
	}
	defer root.Close()
	return d.readIn(root, service)
}

func (d *Directory) notFound(service string) error {
	return errorf(NotFound, "there is no credential for %s in %s: add it with `alknet credential add %[1]s`", service, d.path)
}

func (d *Directory) readIn(root *os.Root, service string) (sealed secret.EncryptedData, changed time.Time, err error) {
	// Opening a named pipe would wait for a writer.
	file, err := root.OpenFile(service+fileSuffix, os.O_RDONLY|nonBlocking, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return sealed, changed, d.notFound(service)
	}
	if err != nil {
		return sealed, changed, errorf(Unavailable, "%s cannot be read: %w", d.file(service), causeOf(err))
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return sealed, changed, errorf(Unavailable, "%s cannot be read: %w", d.file(service), causeOf(err))
	case !info.Mode().IsRegular():
		return sealed, changed, errorf(InvalidInput, "%s is not a regular file", d.file(service))
	case writableByOthers(info):
		return sealed, changed, errorf(InvalidInput, "%s can be written by others (mode %04o): run `chmod 600 %[1]s`", d.file(service), info.Mode().Perm())
	case info.Size() > maxFile:
		return sealed, changed, errorf(InvalidInput, "%s is damaged: it has %d bytes, and a credential at most %d", d.file(service), info.Size(), maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return sealed, changed, errorf(Unavailable, "%s cannot be read: %w", d.file(service), causeOf(err))
	}
	if sealed, err = parseFile(text); err != nil {
		return sealed, changed, errorf(InvalidInput, "%s is damaged: it is not the EncryptedData that `alknet credential add` writes", d.file(service))
	}
	return sealed, info.ModTime(), nil
}

// parseFile reads what a file holds. Nothing of its text comes back in an error.
func parseFile(text []byte) (secret.EncryptedData, error) {
	if len(text) > maxFile {
		return secret.EncryptedData{}, errEntry
	}
	return secret.ParseEncryptedData(text)
}

// root opens the folder: fs.ErrNotExist where there is none.
func (d *Directory) root() (*os.Root, error) {
	info, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err == nil && info.IsDir() && writableByOthers(info) {
		return nil, errorf(InvalidInput, "%s can be written by others (mode %04o): run `chmod 700 %[1]s`", d.path, info.Mode().Perm())
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, errorf(Unavailable, "the folder of credentials %s cannot be read: %w", d.path, causeOf(err))
	}
	return root, nil
}

// causeOf returns what the system said, without the path that the message has already.
func causeOf(err error) error {
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

// Remove removes the credential of a service. It needs no unlocked store: who may
// remove the file may remove the credential. Errors: NOT_FOUND, INVALID_INPUT,
// UNAVAILABLE.
func (d *Directory) Remove(ctx context.Context, service string) error {
	err := d.remove(service)
	d.tell(ctx, ActionRemove, shown(service), "", err)
	return err
}

func (d *Directory) remove(service string) error {
	if err := CheckService(service); err != nil {
		return err
	}
	root, err := d.root()
	if errors.Is(err, fs.ErrNotExist) {
		return d.notFound(service)
	}
	if err != nil {
		return err
	}
	defer root.Close()
	switch err := root.Remove(service + fileSuffix); {
	case errors.Is(err, fs.ErrNotExist):
		return d.notFound(service)
	case err != nil:
		return errorf(Unavailable, "%s cannot be removed: %w", d.file(service), causeOf(err))
	}
	return nil
}
