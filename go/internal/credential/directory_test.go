package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	store "github.com/alkdev/alknet/go/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testPhrase  = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
	otherPhrase = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"
)

func unlock(t testing.TB, s *store.Store, phrase string) {
	t.Helper()
	must(t, s.Unlock([]byte(phrase), nil))
}

// newDirectory gives a directory of an unlocked store, in a folder that is not there.
func newDirectory(t testing.TB) (*Directory, *store.Store, *events) {
	t.Helper()
	s := store.NewStore(store.Options{})
	t.Cleanup(s.Close)
	unlock(t, s, testPhrase)
	told := &events{}
	return NewDirectory(Config{Path: filepath.Join(t.TempDir(), "state", "credentials"), Sealer: StoreSealer(s), OnEvent: told.add}), s, told
}

type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// take returns what was told since, one line an event.
func (e *events) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var lines []string
	for _, event := range e.all {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s%s", event.Action, event.Service, event.Type, event.Code, event.User.Operation, event.User.Identity)))
	}
	e.all = nil
	return lines
}

func wantFile(t *testing.T, path string, mode os.FileMode) []byte {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != mode {
		t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), mode)
	}
	if info.IsDir() {
		return nil
	}
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}

func TestDirectory(t *testing.T) {
	ctx := context.Background()
	d, s, told := newDirectory(t)
	_, err := d.Get(ctx, "basic")
	wantCode(t, err, NotFound)
	if list, err := d.List(ctx); err != nil || len(list) != 0 {
		t.Fatalf("%v %v", list, err)
	}
	for name, value := range samples() {
		info, err := d.Add(ctx, name, value, false)
		must(t, err)
		if info.Service != name || info.Type != value.Type() {
			t.Errorf("%+v", info)
		}
		wantFile(t, d.Path(), 0o700)
		text := wantFile(t, filepath.Join(d.Path(), name+".json"), 0o600)
		sealed, err := store.ParseEncryptedData(text)
		must(t, err)
		if sealed.KeyVersion != store.CurrentKeyVersion {
			t.Errorf("sealed with version %d", sealed.KeyVersion)
		}
		for _, secret := range secretsOf(value) {
			if len(secret) > 4 && bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
	list, err := d.List(ctx)
	must(t, err)
	if names := slices.Collect(func(yield func(string) bool) {
		for _, e := range list {
			if e.Err != nil || e.Info == nil || e.Info.Service != e.Service || e.Changed.IsZero() || !yield(e.Service) {
				t.Errorf("%+v", e)
			}
		}
	}); !slices.Equal(names, []string{"apikey", "basic", "bearer", "custom", "oidc", "s3"}) {
		t.Errorf("%v", names)
	}
	told.take()

	c, err := d.Get(WithUser(ctx, User{"/x/y", "SHA256:abc"}), "basic")
	must(t, err)
	if c.Service() != "basic" || c.Type() != TypeBasic || c.Text("username") != "alice" || c.Text("password") != "" {
		t.Errorf("%+v", c.Info())
	}
	password, err := c.Secret(ctx, "password")
	must(t, err)
	if want := secretsOf(samples()["basic"])[0]; string(password) != want {
		t.Errorf("%q, want %q", password, want)
	}
	value, err := c.Open(ctx)
	must(t, err)
	if basic, ok := value.(*Basic); !ok || basic.Username != "alice" || basic.Password.IsZero() {
		t.Errorf("%#v", value)
	}

	// Locked, everything is refused at once, what was got before too, and comes back
	// with the phrase.
	s.Lock()
	for range 2 {
		_, err = c.Secret(ctx, "password")
		wantCode(t, err, Locked)
		_, err = d.Get(ctx, "basic")
		wantCode(t, err, Locked)
		_, err = d.Add(ctx, "new", &Bearer{Token: planted("t")}, false)
		wantCode(t, err, Locked)
		list, err = d.List(ctx)
		must(t, err)
		if len(list) != 6 || list[0].Info != nil || list[0].Err != nil || list[0].KeyVersion != 2 {
			t.Errorf("locked: %+v", list)
		}
	}
	unlock(t, s, otherPhrase)
	_, err = c.Secret(ctx, "password")
	wantCode(t, err, DecryptionFailed)
	_, err = d.Get(ctx, "basic")
	wantCode(t, err, DecryptionFailed)
	if !strings.Contains(err.Error(), "another phrase") || !strings.Contains(err.Error(), d.file("basic")) {
		t.Error(err)
	}
	// With this phrase nothing is added to what another one has sealed, which would be
	// lost; it takes its own folder.
	_, err = d.Add(ctx, "new", &Bearer{Token: planted("t")}, false)
	wantCode(t, err, DecryptionFailed)
	s.Lock()
	unlock(t, s, testPhrase)
	_, err = c.Secret(ctx, "password")
	must(t, err)

	// Replaced, the next Get gives the new one.
	_, err = d.Add(ctx, "basic", &Bearer{Token: planted("next")}, false)
	wantCode(t, err, Conflict)
	_, err = d.Add(ctx, "basic", &Bearer{Token: planted("next")}, true)
	must(t, err)
	next, err := d.Get(ctx, "basic")
	must(t, err)
	if next.Type() != TypeBearer {
		t.Errorf("a %s", next.Type())
	}
	if again, err := c.Secret(ctx, "password"); err != nil || string(again) != string(password) {
		t.Errorf("the credential that was got before changed: %v", err)
	}

	s.Lock()
	must(t, d.Remove(ctx, "basic"))
	wantCode(t, d.Remove(ctx, "basic"), NotFound)
	s.Close()
	_, err = d.Get(ctx, "bearer")
	wantCode(t, err, "CLOSED")
	want := []string{
		"get basic basic  /x/ySHA256:abc", "open basic basic  /x/ySHA256:abc", "open basic basic  /x/ySHA256:abc",
		"open basic basic LOCKED /x/ySHA256:abc", "get basic  LOCKED", "add new bearer LOCKED", "open basic basic LOCKED /x/ySHA256:abc", "get basic  LOCKED", "add new bearer LOCKED",
		"open basic basic DECRYPTION_FAILED /x/ySHA256:abc", "get basic  DECRYPTION_FAILED", "add new bearer DECRYPTION_FAILED", "open basic basic  /x/ySHA256:abc",
		"add basic bearer CONFLICT", "add basic bearer", "get basic bearer", "open basic basic  /x/ySHA256:abc", "remove basic", "remove basic  NOT_FOUND", "get bearer  CLOSED",
	}
	if got := told.take(); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	left, err := os.ReadDir(d.Path())
	must(t, err)
	if len(left) != 5 {
		t.Errorf("files %v", left)
	}
}

// Every fault of a file is told with its name, without its content.
func TestDamage(t *testing.T) {
	ctx := context.Background()
	d, s, _ := newDirectory(t)
	_, err := d.Add(ctx, "good", &Bearer{Token: planted(canary)}, false)
	must(t, err)
	good, err := os.ReadFile(d.file("good"))
	must(t, err)
	var object map[string]any
	must(t, json.Unmarshal(good, &object))
	with := func(name string, value any) string {
		changed := map[string]any{}
		for k, v := range object {
			changed[k] = v
		}
		changed[name] = value
		text, err := json.Marshal(changed)
		must(t, err)
		return string(text)
	}
	sealed := func(plaintext string) string {
		data, err := s.Encrypt([]byte(plaintext), 0)
		must(t, err)
		text, err := data.MarshalJSON()
		must(t, err)
		return string(text)
	}
	for name, c := range map[string]struct {
		text  string
		code  Code
		wants string
	}{
		"empty":             {"", InvalidInput, "is damaged"},
		"half":              {string(good[:len(good)/2]), InvalidInput, "is damaged"},
		"text":              {canary, InvalidInput, "is damaged"},
		"unsealed":          {`{"credential":1,"token":"` + canary + `"}`, InvalidInput, "is damaged"},
		"too-long":          {string(good) + strings.Repeat(" ", maxFile), InvalidInput, "is damaged: it has"},
		"other-data":        {with("data", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), DecryptionFailed, "another phrase"},
		"other-iv":          {with("iv", "AAAAAAAAAAAAAAAA"), DecryptionFailed, "another phrase"},
		"other-version":     {with("key_version", 3), DecryptionFailed, "another phrase"},
		"no-version":        {with("key_version", 0), DecryptionFailed, "another phrase"},
		"sealed-text":       {sealed(canary), InvalidInput, "holds no credential"},
		"sealed-nearly":     {sealed(`{"credential":1,"service":"sealed-nearly","type":"bearer","added":"2026-01-02T03:04:05Z","fields":{"token":"` + canary + `"} }`), InvalidInput, "holds no credential"},
		"of-another":        {string(good), InvalidInput, "another service"},
		"of-another-nearly": {sealed(`{"credential":1,"service":"of-another-nearl","type":"bearer","added":"2026-01-02T03:04:05Z","fields":{"token":"` + canary + `"}}`), InvalidInput, "another service"},
	} {
		must(t, os.WriteFile(d.file(name), []byte(c.text), 0o600))
		_, err := d.Get(ctx, name)
		wantCode(t, err, c.code)
		if !strings.Contains(err.Error(), c.wants) || !strings.Contains(err.Error(), d.file(name)) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
		list, err := d.List(ctx)
		must(t, err)
		i := slices.IndexFunc(list, func(e Entry) bool { return e.Service == name })
		if CodeOf(list[i].Err) != c.code || list[i].Info != nil {
			t.Errorf("%s is listed as %+v", name, list[i])
		}
		must(t, d.Remove(ctx, name))
	}
	if list, err := d.List(ctx); err != nil || len(list) != 1 || list[0].Err != nil {
		t.Errorf("%+v %v", list, err)
	}
}

// What is not a file of its owner's is refused.
func TestFilesOfOthers(t *testing.T) {
	ctx := context.Background()
	d, _, _ := newDirectory(t)
	_, err := d.Add(ctx, "x", &Bearer{Token: planted("t")}, false)
	must(t, err)
	outside := filepath.Join(t.TempDir(), "outside.json")
	text, err := os.ReadFile(d.file("x"))
	must(t, err)
	must(t, os.WriteFile(outside, text, 0o600))
	must(t, os.Mkdir(d.file("folder"), 0o700))
	must(t, os.Symlink(outside, d.file("link")))
	for name, code := range map[string]Code{"folder": InvalidInput, "link": Unavailable} {
		_, err := d.Get(ctx, name)
		wantCode(t, err, code)
	}
	must(t, os.Chmod(d.file("x"), 0o620))
	_, err = d.Get(ctx, "x")
	wantCode(t, err, InvalidInput)
	if !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
	must(t, os.Chmod(d.file("x"), 0o644)) // it is sealed
	_, err = d.Get(ctx, "x")
	must(t, err)
	must(t, os.Chmod(d.Path(), 0o770))
	_, err = d.Get(ctx, "x")
	wantCode(t, err, InvalidInput)
	if !strings.Contains(err.Error(), "chmod 700") {
		t.Error(err)
	}
	must(t, os.Chmod(d.Path(), 0o700))
	for _, name := range []string{"../x", "X", "", "a/b", "x.json/.."} {
		_, err := d.Get(ctx, name)
		wantCode(t, err, InvalidInput)
		_, err = d.Add(ctx, name, &Bearer{Token: planted("t")}, true)
		wantCode(t, err, InvalidInput)
		wantCode(t, d.Remove(ctx, name), InvalidInput)
	}

	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	s := store.NewStore(store.Options{})
	defer s.Close()
	unlock(t, s, testPhrase)
	notFolder := NewDirectory(Config{Path: file, Sealer: StoreSealer(s)})
	_, err = notFolder.Get(ctx, "x")
	wantCode(t, err, Unavailable)
	_, err = notFolder.Add(ctx, "x", &Bearer{Token: planted("t")}, false)
	wantCode(t, err, Unavailable)

	unsealed := NewDirectory(Config{Path: d.Path()})
	_, err = unsealed.Get(ctx, "x")
	wantCode(t, err, Locked)
	_, err = unsealed.Add(ctx, "y", &Bearer{Token: planted("t")}, false)
	wantCode(t, err, Locked)
}

func TestLimitOfServices(t *testing.T) {
	ctx := context.Background()
	d, _, _ := newDirectory(t)
	must(t, os.MkdirAll(d.Path(), 0o700))
	for i := range MaxServices {
		must(t, os.WriteFile(d.file(fmt.Sprintf("s%d", i)), nil, 0o600))
	}
	_, err := d.Add(ctx, "one-more", &Bearer{Token: planted("t")}, false)
	wantCode(t, err, ResourceExhausted)
	_, err = d.Add(ctx, "s0", &Bearer{Token: planted("t")}, true)
	must(t, err)
	must(t, os.WriteFile(d.file("one-more"), nil, 0o600))
	_, err = d.List(ctx)
	wantCode(t, err, ResourceExhausted)
}

// Readers see one credential or the other while it is replaced, and of two who add it
// one finds it there.
func TestAddIsAtomic(t *testing.T) {
	ctx := context.Background()
	d, _, _ := newDirectory(t)
	var added sync.WaitGroup
	var mu sync.Mutex
	codes := map[Code]int{}
	for range 8 {
		added.Go(func() {
			_, err := d.Add(ctx, "x", &Bearer{Token: planted(strings.Repeat("a", 1000))}, false)
			mu.Lock()
			codes[CodeOf(err)]++
			mu.Unlock()
		})
	}
	added.Wait()
	if codes[""] != 1 || codes[Conflict] != 7 {
		t.Errorf("%v", codes)
	}
	done := make(chan struct{})
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for {
				c, err := d.Get(ctx, "x")
				if err != nil {
					t.Error(err)
					return
				}
				token, err := c.Secret(ctx, "token")
				if err != nil || len(bytes.Trim(token, string(token[:1]))) != 0 {
					t.Errorf("%q %v", token, err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 50 {
		_, err := d.Add(ctx, "x", &Bearer{Token: planted(strings.Repeat(string(rune('a'+i%26)), 500+i))}, true)
		must(t, err)
	}
	close(done)
	work.Wait()
	if files, err := os.ReadDir(d.Path()); err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
}

// failing is a sealer whose process is gone.
type failing struct{}

func (failing) Encrypt(context.Context, []byte) (store.EncryptedData, error) {
	return store.EncryptedData{}, errors.New("gone")
}

func (failing) Decrypt(context.Context, store.EncryptedData) ([]byte, error) {
	return nil, errors.New("gone")
}

func TestStoreThatCannotBeAsked(t *testing.T) {
	d, _, _ := newDirectory(t)
	_, err := d.Add(context.Background(), "x", &Bearer{Token: planted("t")}, false)
	must(t, err)
	gone := NewDirectory(Config{Path: d.Path(), Sealer: failing{}})
	_, err = gone.Get(context.Background(), "x")
	wantCode(t, err, Unavailable)
	_, err = gone.Add(context.Background(), "y", &Bearer{Token: planted("t")}, false)
	wantCode(t, err, Unavailable)
	if !errors.Is(err, &Error{Code: Unavailable}) || errors.Is(err, &Error{Code: Locked}) {
		t.Error("errors.Is")
	}
}
