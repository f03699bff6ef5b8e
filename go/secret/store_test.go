package secret

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	testMnemonic  = "test test test test test test test test test test test junk"
	otherMnemonic = "legal winner thank year wave sausage worth useful legal winner thank yellow"
)

func wantCode(t testing.TB, what string, err error, code Code) {
	t.Helper()
	if CodeOf(err) != code || code != "" && !errors.Is(err, &Error{Code: code}) {
		t.Errorf("%s: %v, want %q", what, err, code)
	}
}

func derive(t testing.TB, s *Store, p Path, kind KeyType) *Handle {
	t.Helper()
	h, err := s.Derive(p, kind)
	must(t, err)
	return h
}

// uses is every operation that needs the seed.
func uses(s *Store, ed, secp, sealing *Handle) map[string]func() error {
	data := EncryptedData{KeyVersion: 2, IV: make([]byte, 12), Data: make([]byte, 16)}
	second := func(_ any, err error) error { return err }
	return map[string]func() error{
		"Derive":              func() error { return second(s.Derive(IdentityPath(), Ed25519)) },
		"Signer":              func() error { return second(s.Signer(IdentityPath())) },
		"Encrypt":             func() error { return second(s.Encrypt(nil, 0)) },
		"Decrypt":             func() error { return second(s.Decrypt(data)) },
		"Rotate":              func() error { return second(s.Rotate(data, 0)) },
		"Password":            func() error { return second(s.Password("site", PasswordPolicy{})) },
		"PasswordBytes":       func() error { return second(s.PasswordBytes("site", 1)) },
		"Sign":                func() error { return second(ed.Sign(nil)) },
		"AuthToken":           func() error { return second(ed.AuthToken(time.Now())) },
		"ExportPrivateKey":    func() error { return second(ed.ExportPrivateKey()) },
		"ExportSSHPrivateKey": func() error { return second(ed.ExportSSHPrivateKey("", nil)) },
		"SignEthereumDigest":  func() error { return second(secp.SignEthereumDigest([32]byte{})) },
		"SignEthereumMessage": func() error { return second(secp.SignEthereumMessage(nil)) },
		"SignTypedData":       func() error { return second(secp.SignTypedData([]byte(mailTypedData))) },
		"Seal":                func() error { return second(sealing.Seal(nil)) },
		"Open":                func() error { return second(sealing.Open(make([]byte, 28))) },
	}
}

func TestStates(t *testing.T) {
	s := NewStore(Options{})
	if status := s.Status(); status.State != StateLocked || status.Memory != MemoryNone || !status.Exportable || status.Closed {
		t.Errorf("new: %+v", status)
	}
	s.Lock() // twice is fine
	must(t, s.Unlock([]byte(testMnemonic), nil))
	wantCode(t, "Unlock twice", s.Unlock([]byte(testMnemonic), nil), AlreadyUnlocked)
	_, err := s.Create(12, English, nil)
	wantCode(t, "Create while unlocked", err, AlreadyUnlocked)
	sealing, err := SealingPath(2)
	must(t, err)
	ed, secp, aes := derive(t, s, IdentityPath(), Ed25519), derive(t, s, EthereumPath(0), Secp256k1), derive(t, s, sealing, AES256GCM)
	all := uses(s, ed, secp, aes)
	for name, use := range all {
		code := Code("")
		if name == "Decrypt" || name == "Rotate" || name == "Open" {
			code = DecryptionFailed
		}
		wantCode(t, "unlocked: "+name, use(), code)
	}
	signer, err := s.Signer(IdentityPath())
	must(t, err)
	public := ed.PublicKey()

	s.Lock()
	for name, use := range all {
		wantCode(t, "locked: "+name, use(), Locked)
	}
	_, err = signer.Sign(nil, nil, nil)
	wantCode(t, "locked: signer", err, Locked)
	if !bytes.Equal(ed.PublicKey(), public) || ed.Path() != IdentityPath() || ed.Type() != Ed25519 {
		t.Error("a dead handle has forgotten what is public")
	}

	for _, mnemonic := range []string{otherMnemonic, testMnemonic} {
		must(t, s.Unlock([]byte(mnemonic), nil))
		_, err = ed.Sign(nil)
		wantCode(t, "a handle of another unlocking", err, Locked)
		_, err = signer.Sign(nil, nil, nil)
		wantCode(t, "the signer of "+mnemonic, err, map[string]Code{otherMnemonic: Locked}[mnemonic])
		s.Lock()
	}
	must(t, s.Unlock([]byte(testMnemonic), nil))
	s.Close()
	s.Close()
	for name, use := range all {
		wantCode(t, "closed: "+name, use(), Closed)
	}
	wantCode(t, "closed: Unlock", s.Unlock([]byte(testMnemonic), nil), Closed)
	if !s.Status().Closed || s.Status().State != StateLocked {
		t.Errorf("closed: %+v", s.Status())
	}
}

func TestUnlockWipesItsArguments(t *testing.T) {
	s := NewStore(Options{})
	defer s.Close()
	for _, c := range []struct {
		name, mnemonic string
		code           Code
	}{{"wrong", "test test", InvalidMnemonic}, {"right", testMnemonic, ""}, {"again", testMnemonic, AlreadyUnlocked}} {
		mnemonic, passphrase := []byte(c.mnemonic), []byte("passphrase")
		wantCode(t, c.name, s.Unlock(mnemonic, passphrase), c.code)
		if !bytes.Equal(mnemonic, make([]byte, len(mnemonic))) || !bytes.Equal(passphrase, make([]byte, len(passphrase))) {
			t.Errorf("%s: %q and %q are left", c.name, mnemonic, passphrase)
		}
	}
	wantCode(t, "a passphrase that is not UTF-8", NewStore(Options{}).Unlock([]byte(testMnemonic), []byte{0xff}), InvalidInput)
}

func TestCreate(t *testing.T) {
	s := NewStore(Options{})
	defer s.Close()
	phrase, err := s.Create(24, Japanese, []byte("passphrase"))
	must(t, err)
	if list, err := ValidateMnemonic(phrase); err != nil || list != Japanese || len(bytes.Fields(phrase)) != 24 {
		t.Errorf("%s, %v", list, err)
	}
	again := unlocked(t, Options{}, string(phrase), "passphrase")
	if !bytes.Equal(seedOf(t, s), seedOf(t, again)) {
		t.Error("the phrase gives another seed")
	}
	for words, list := range map[int]Wordlist{13: English, 27: English, 0: English, 12: "klingon"} {
		_, err := NewStore(Options{}).Create(words, list, nil)
		wantCode(t, fmt.Sprint(words, list), err, InvalidInput)
	}
}

func TestStoresAreIndependent(t *testing.T) {
	a, b := unlocked(t, Options{}, testMnemonic, ""), unlocked(t, Options{}, otherMnemonic, "")
	ha, hb := derive(t, a, IdentityPath(), Ed25519), derive(t, b, IdentityPath(), Ed25519)
	if bytes.Equal(ha.PublicKey(), hb.PublicKey()) {
		t.Error("two seeds have one key")
	}
	a.Lock()
	signature, err := hb.Sign([]byte("m"))
	if err != nil || !ed25519.Verify(hb.PublicKey(), []byte("m"), signature) {
		t.Errorf("the other store: %v", err)
	}
}

func TestDeriveRefuses(t *testing.T) {
	s := unlocked(t, Options{}, testMnemonic, "")
	for kind, code := range map[KeyType]Code{Ed25519: InvalidPath, AES256GCM: InvalidPath, Secp256k1: "", "rsa": InvalidInput, "": InvalidInput} {
		_, err := s.Derive(EthereumPath(0), kind)
		wantCode(t, string(kind), err, code)
	}
	ed, secp := derive(t, s, IdentityPath(), Ed25519), derive(t, s, EthereumPath(0), Secp256k1)
	sealing := derive(t, s, hardened(1), AES256GCM)
	second := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"Seal with Ed25519": second(ed.Seal(nil)), "Open with secp256k1": second(secp.Open(nil)), "Sign with AES": second(sealing.Sign(nil)),
		"short digest": second(secp.Sign(make([]byte, 31))), "token of secp256k1": second(secp.AuthToken(time.Now())),
		"SSH of AES": second(sealing.SSHPublicKey("")), "SSH export of secp256k1": second(secp.ExportSSHPrivateKey("", nil)),
		"address of Ed25519": second(ed.EthereumAddress()), "digest with Ed25519": second(ed.SignEthereumDigest([32]byte{})),
		"typed data with AES": second(sealing.SignTypedData([]byte(mailTypedData))), "comment": second(ed.SSHPublicKey("two\nlines")),
		"comment of an export": second(ed.ExportSSHPrivateKey(strings.Repeat("x", 256), nil)), "too much": second(sealing.Seal(make([]byte, MaxPlaintext+1))),
	} {
		wantCode(t, name, err, InvalidInput)
	}
}

func TestNotExportable(t *testing.T) {
	var events []Event
	s := unlocked(t, Options{NotExportable: true, OnEvent: func(e Event) { events = append(events, e) }}, testMnemonic, "")
	h := derive(t, s, IdentityPath(), Ed25519)
	private, err := h.ExportPrivateKey()
	wantCode(t, "ExportPrivateKey", err, NotExportable)
	file, err := h.ExportSSHPrivateKey("", nil)
	wantCode(t, "ExportSSHPrivateKey", err, NotExportable)
	if private != nil || file != nil || s.Status().Exportable {
		t.Error("something came out")
	}
	if last := events[len(events)-1]; last.Action != ActionExport || last.Code != NotExportable || last.Path != IdentityPath() {
		t.Errorf("event %+v", last)
	}
	if _, err := h.Sign(nil); err != nil {
		t.Error(err)
	}
}

func TestEvents(t *testing.T) {
	var got []string
	var s *Store
	s = NewStore(Options{OnEvent: func(e Event) {
		s.Status() // it holds no lock
		if e.Time.IsZero() || time.Since(e.Time) > time.Minute {
			t.Errorf("time %s", e.Time)
		}
		line := string(e.Action)
		if e.Type != "" {
			line += fmt.Sprintf(" %s %s", e.Path, e.Type)
		}
		if e.Code != "" {
			line += " " + string(e.Code)
		}
		got = append(got, line)
	}})
	second := func(_ any, err error) error { return err }
	wantCode(t, "wrong", s.Unlock([]byte("wrong"), nil), InvalidMnemonic)
	wantCode(t, "locked", second(s.Derive(IdentityPath(), Ed25519)), Locked)
	must(t, s.Unlock([]byte(testMnemonic), nil))
	h := derive(t, s, IdentityPath(), Ed25519)
	must(t, second(h.Sign(nil)))
	must(t, second(h.ExportPrivateKey()))
	derive(t, s, IdentityPath(), Ed25519)
	must(t, second(s.Password("example.com", PasswordPolicy{})))
	must(t, second(s.Encrypt(nil, 2)))
	wantCode(t, "tampered", second(s.Decrypt(EncryptedData{KeyVersion: 2})), DecryptionFailed)
	s.Lock()
	s.Lock()
	wantCode(t, "dead", second(h.Sign(nil)), Locked)
	must(t, s.Unlock([]byte(testMnemonic), nil))
	s.Close()
	site, err := PasswordPath("example.com")
	must(t, err)
	want := []string{
		"unlock INVALID_MNEMONIC", "derive m/74'/0'/0'/0' ed25519 LOCKED", "unlock",
		"derive m/74'/0'/0'/0' ed25519", "export m/74'/0'/0'/0' ed25519", "derive m/74'/0'/0'/0' ed25519",
		"derive " + site.String() + " aes-256-gcm", "derive m/74'/2'/0'/0' aes-256-gcm", "open m/74'/2'/0'/0' aes-256-gcm DECRYPTION_FAILED",
		"lock", "sign m/74'/0'/0'/0' ed25519 LOCKED", "unlock", "lock",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSlowObserver lets an observer wait and uses the store meanwhile.
func TestSlowObserver(t *testing.T) {
	release, told := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	s := NewStore(Options{OnEvent: func(e Event) {
		if e.Action == ActionExport && first.CompareAndSwap(false, true) {
			close(told)
			<-release
		}
	}})
	defer s.Close()
	must(t, s.Unlock([]byte(testMnemonic), nil))
	h := derive(t, s, IdentityPath(), Ed25519)
	var work sync.WaitGroup
	work.Go(func() { _, _ = h.ExportPrivateKey() })
	<-told
	if _, err := h.ExportPrivateKey(); err != nil {
		t.Error(err)
	}
	s.Lock()
	must(t, s.Unlock([]byte(testMnemonic), nil))
	close(release)
	work.Wait()
}

func TestLockWhileUnlocking(t *testing.T) {
	s := NewStore(Options{})
	defer s.Close()
	err := s.unlock(func(f *phraseFrame) error {
		s.Lock()
		if s.Status().State != StateLocked { // and it does not wait
			t.Error("unlocked too soon")
		}
		return nil
	})
	wantCode(t, "locked meanwhile", err, Locked)
	err = s.unlock(func(f *phraseFrame) error { return s.unlock(func(*phraseFrame) error { return nil }) })
	wantCode(t, "unlocked meanwhile", err, AlreadyUnlocked)
	if s.Status().State != StateUnlocked {
		t.Error("the first one counts")
	}
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var actions []Action
		s := NewStore(Options{IdleTimeout: time.Minute, OnEvent: func(e Event) { actions = append(actions, e.Action) }})
		must(t, s.Unlock([]byte(testMnemonic), nil))
		h := derive(t, s, IdentityPath(), Ed25519)
		for range 5 { // used often enough
			time.Sleep(50 * time.Second)
			if _, err := h.Sign(nil); err != nil {
				t.Fatal(err)
			}
			s.Status()
		}
		time.Sleep(59 * time.Second)
		if s.Status().State != StateUnlocked {
			t.Error("locked too soon")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.Status().State != StateLocked || actions[len(actions)-1] != ActionIdleLock {
			t.Errorf("%+v, %v", s.Status(), actions)
		}
		must(t, s.Unlock([]byte(testMnemonic), nil))
		s.Close() // ends the timer, or the bubble would find it
		time.Sleep(time.Hour)
		if n := len(actions); actions[n-1] != ActionLock || actions[n-2] != ActionUnlock {
			t.Errorf("%v", actions)
		}
	})
}

func TestSealLimit(t *testing.T) {
	s := unlocked(t, Options{SealCounts: map[uint32]uint64{1: MaxSeals - 3, 2: 1, 5: MaxSeals, 0: 7}}, testMnemonic, "")
	for i, c := range []struct {
		version uint32
		code    Code
	}{{2, ""}, {1, ""}, {1, ResourceExhausted}, {2, ResourceExhausted}, {0, ResourceExhausted}, {3, ""}, {5, ResourceExhausted}, {6, ""}} {
		data, err := s.Encrypt([]byte("x"), c.version)
		wantCode(t, fmt.Sprint(i), err, c.code)
		if err == nil && data.KeyVersion != c.version {
			t.Errorf("%d: version %d", i, data.KeyVersion)
		}
		if err != nil && c.version == 5 && !strings.Contains(err.Error(), "version 6") {
			t.Errorf("%v does not ask for the next version", err)
		}
	}
	h := derive(t, s, hardened(9), AES256GCM)
	if _, err := h.Seal(nil); err != nil {
		t.Error(err)
	}
	s.seals.counts[h.Path()] = MaxSeals
	_, err := h.Seal(nil)
	wantCode(t, "a handle's key", err, ResourceExhausted)
	s.Lock()
	must(t, s.Unlock([]byte(otherMnemonic), nil))
	if counts := s.Status().SealCounts; len(counts) != 4 || counts[2] != MaxSeals || counts[3] != 1 || counts[5] != MaxSeals || counts[6] != 1 {
		t.Errorf("counts %v", counts)
	}
	for n := range uint32(maxSealingKeys) {
		_ = s.seals.use(hardened(77, n))
	}
	_, err = s.Encrypt(nil, 77)
	wantCode(t, "too many keys", err, ResourceExhausted)
	if _, err := s.Encrypt(nil, 3); err != nil {
		t.Errorf("a known key: %v", err)
	}
}
