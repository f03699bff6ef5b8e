package secret

import (
	"cmp"
	"crypto/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Store turns one mnemonic into keys and uses them. It begins locked; Unlock and
// Create unlock it. All methods may be called concurrently. Several stores with
// different seeds can be open in one process and know nothing of each other. Close a
// store that is not needed any more; one that is forgotten is wiped when the garbage
// collector finds it, unless it has an IdleTimeout, which comes first.
type Store struct {
	options  Options
	born     time.Time
	lastUsed atomic.Int64 // since born
	seals    *sealCounter
	warned   atomic.Bool

	// mu is held for reading while keys are used, and for writing only to swap the
	// vault: never while a key is stretched, derived or waited for, nor while an
	// observer is told.
	mu     sync.RWMutex
	vault  *vault // nil when locked
	epoch  uint64 // how often the store was told to lock
	closed bool
	idle   *time.Timer
	lost   runtime.Cleanup // destroys the vault of a store that was forgotten
}

// NewStore makes a locked store.
func NewStore(options Options) *Store {
	options = options.withDefaults()
	return &Store{options: options, born: time.Now(), seals: newSealCounter(options.SealCounts)}
}

// Unlock turns a mnemonic and an optional passphrase (nil for none) into the seed
// and holds it. Both are wiped, whatever comes of it. The phrase may have any white
// space between its words; phrase and passphrase are brought to NFKD (BIP-39). It
// takes a millisecond or two of computing, during which other stores, and Status,
// do not wait.
//
// Errors: INVALID_MNEMONIC, INVALID_INPUT for the passphrase, ALREADY_UNLOCKED,
// MEMORY_LOCK, CLOSED, and LOCKED if Lock was called meanwhile.
func (s *Store) Unlock(mnemonic, passphrase []byte) error {
	defer clear(mnemonic)
	defer clear(passphrase)
	return s.unlock(func(f *phraseFrame) error {
		if _, err := f.parse(mnemonic); err != nil {
			return err
		}
		return f.stretch(passphrase)
	})
}

// Create unlocks the store with a new mnemonic, as GenerateMnemonic makes it, and
// returns the phrase: this once, and never again. The caller shows it to its owner
// and wipes it. The passphrase is wiped.
func (s *Store) Create(words int, list Wordlist, passphrase []byte) (mnemonic []byte, err error) {
	defer clear(passphrase)
	err = s.unlock(func(f *phraseFrame) error {
		d, err := f.generate(words, list)
		if err != nil {
			return err
		}
		mnemonic = f.text(d)
		return f.stretch(passphrase)
	})
	if err != nil {
		clear(mnemonic)
		return nil, err
	}
	return mnemonic, nil
}

// unlock attaches a vault whose seed fill computes.
func (s *Store) unlock(fill func(*phraseFrame) error) error {
	err := s.attach(fill)
	s.tell(Event{Action: ActionUnlock, Code: CodeOf(err)})
	if err != nil {
		return err
	}
	if s.Status().Memory == MemoryUnlocked && s.options.OnWarning != nil && s.warned.CompareAndSwap(false, true) {
		s.options.OnWarning("the system refuses to lock memory, so secrets may be swapped to disk: raise RLIMIT_MEMLOCK (`ulimit -l`), or require locked memory")
	}
	return nil
}

func (s *Store) attach(fill func(*phraseFrame) error) error {
	s.mu.RLock()
	epoch, err := s.epoch, s.attachable()
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	a, err := newArena(s.options.RequireLockedMemory, fill)
	if err != nil {
		return err
	}
	v := &vault{arena: a, cache: newCache(a, s.options.CacheSize, s.options.CacheTTL)}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.attachable()
	if err == nil && s.epoch != epoch {
		err = errorf(Locked, "the store was locked while it was being unlocked")
	}
	if err != nil {
		v.destroy()
		return err
	}
	s.vault = v
	s.lost = runtime.AddCleanup(s, (*vault).destroy, v)
	s.touch()
	if timeout := s.options.IdleTimeout; timeout > 0 {
		s.idle = time.AfterFunc(timeout, func() { s.lockIdle(v) })
	}
	return nil
}

// attachable says why the store cannot be unlocked. The caller holds mu.
func (s *Store) attachable() error {
	switch {
	case s.closed:
		return errClosed
	case s.vault != nil:
		return errorf(AlreadyUnlocked, "the store is unlocked already: lock it first")
	}
	return nil
}

var (
	errClosed = &Error{Code: Closed, Message: "the store is closed"}
	errLocked = &Error{Code: Locked, Message: "the store is locked: unlock it first"}
	errStale  = &Error{Code: Locked, Message: "the store was locked since this handle was made: derive it again"}
	errGone   = &Error{Code: Locked, Message: "the store's memory was taken away, so it is locked: unlock it again"}
)

// Lock wipes the seed and every derived key, and kills all handles. It waits for
// the operations that use them. Locking a locked store does nothing, except that an
// Unlock under way fails.
func (s *Store) Lock() {
	if s.lock(nil, false) {
		s.tell(Event{Action: ActionLock})
	}
}

// Close locks the store for good. Closing twice does nothing.
func (s *Store) Close() {
	if s.lock(nil, true) {
		s.tell(Event{Action: ActionLock})
	}
}

// lock detaches and destroys the vault, if it is the given one or nil is given.
func (s *Store) lock(only *vault, closing bool) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vault
	if only != nil && only != v {
		return false
	}
	s.epoch++
	s.closed = s.closed || closing
	if v == nil {
		return false
	}
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	s.vault = nil
	s.lost.Stop()
	v.destroy()
	return true
}

// lockIdle locks the store if it has been idle long enough, and otherwise comes
// back when it may have been.
func (s *Store) lockIdle(v *vault) {
	timeout := s.options.IdleTimeout
	idle := time.Since(s.born) - time.Duration(s.lastUsed.Load())
	if idle < timeout {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.vault == v {
			s.idle.Reset(timeout - idle)
		}
		return
	}
	if s.lock(v, false) {
		s.tell(Event{Action: ActionIdleLock})
	}
}

func (s *Store) touch() { s.lastUsed.Store(int64(time.Since(s.born))) }

// tell informs the observer. No lock is held.
func (s *Store) tell(e Event) {
	if s.options.OnEvent != nil {
		e.Time = time.Now()
		s.options.OnEvent(e)
	}
}

// run gives do the private key of a name in f.key, and its public half. A vault
// that is given must still be the store's.
func (s *Store) run(v *vault, action Action, name cacheKey, do func(f *frame, public []byte) error) error {
	derived, err := s.runUnlocked(v, name, do)
	if err == errGone && s.lock(v, false) {
		s.tell(Event{Action: ActionLock})
	}
	if derived && action != ActionDerive {
		s.tell(Event{Action: ActionDerive, Path: name.path, Type: name.kind})
	}
	if err != nil || action == ActionDerive || action == ActionExport {
		s.tell(Event{Action: action, Path: name.path, Type: name.kind, Code: CodeOf(err)})
	}
	return err
}

func (s *Store) runUnlocked(v *vault, name cacheKey, do func(f *frame, public []byte) error) (derived bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	current := s.vault
	switch {
	case s.closed:
		return false, errClosed
	case current == nil:
		return false, errLocked
	case v != nil && v != current:
		return false, errStale
	case !current.arena.alive():
		return false, errGone
	}
	s.touch()
	f := current.arena.takeFrame()
	defer current.arena.giveFrame(f)
	shield(func() {
		var public []byte
		if public, derived, err = current.load(f, name); err == nil {
			err = do(f, public)
		}
	})
	return derived, err
}

// noVault is what a handle made in a locked store belongs to.
var noVault = &vault{}

// Derive returns a handle for the key at a path. Errors: LOCKED, CLOSED,
// INVALID_PATH for a level that is not hardened where the type wants it, and
// INVALID_INPUT for an unknown type.
func (s *Store) Derive(path Path, kind KeyType) (*Handle, error) {
	h := &Handle{store: s, name: cacheKey{path, kind}}
	s.mu.RLock()
	h.vault = cmp.Or(s.vault, noVault)
	s.mu.RUnlock()
	err := s.run(h.vault, ActionDerive, h.name, func(_ *frame, public []byte) error {
		h.public = public
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Encrypt seals a value, at most MaxPlaintext bytes, with the sealing key of a
// version; 0 means CurrentKeyVersion. The plaintext stays the caller's. Errors:
// LOCKED, CLOSED, UNKNOWN_KEY_VERSION, INVALID_INPUT, and RESOURCE_EXHAUSTED when
// the version has sealed MaxSeals times, which asks for the next one.
func (s *Store) Encrypt(plaintext []byte, version uint32) (EncryptedData, error) {
	if version == 0 {
		version = CurrentKeyVersion
	}
	path, err := SealingPath(version)
	if err != nil {
		return EncryptedData{}, err
	}
	sealed, err := s.seal(nil, path, plaintext)
	if err != nil {
		return EncryptedData{}, err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // it cannot fail
	return EncryptedData{KeyVersion: version, Salt: salt, IV: sealed[:nonceSize:nonceSize], Data: sealed[nonceSize:]}, nil
}

// seal returns nonce ‖ ciphertext ‖ tag, and counts.
func (s *Store) seal(v *vault, path Path, plaintext []byte) (sealed []byte, err error) {
	if len(plaintext) > MaxPlaintext {
		return nil, errorf(InvalidInput, "the plaintext is longer than %d bytes", MaxPlaintext)
	}
	err = s.run(v, ActionSeal, cacheKey{path, AES256GCM}, func(f *frame, _ []byte) error {
		if err := s.seals.use(path); err != nil {
			return err
		}
		sealed = seal(&f.key.private, plaintext)
		return nil
	})
	return sealed, err
}

// Decrypt opens what Encrypt sealed. The plaintext is the caller's to wipe; no copy
// stays. Errors: LOCKED, CLOSED, UNKNOWN_KEY_VERSION, and DECRYPTION_FAILED for
// every other reason, with the same text.
func (s *Store) Decrypt(data EncryptedData) (plaintext []byte, err error) {
	path, err := SealingPath(data.KeyVersion)
	if err != nil {
		return nil, err
	}
	return s.open(nil, path, data.IV, data.Data)
}

func (s *Store) open(v *vault, path Path, nonce, ciphertext []byte) (plaintext []byte, err error) {
	err = s.run(v, ActionOpen, cacheKey{path, AES256GCM}, func(f *frame, _ []byte) error {
		plaintext, err = open(&f.key.private, nonce, ciphertext)
		return err
	})
	return plaintext, err
}

// Rotate opens data with its own key version and seals the value with another; 0
// means CurrentKeyVersion. The value does not leave the store. Errors are those of
// Decrypt and Encrypt.
func (s *Store) Rotate(data EncryptedData, version uint32) (EncryptedData, error) {
	plaintext, err := s.Decrypt(data)
	if err != nil {
		return EncryptedData{}, err
	}
	defer clear(plaintext)
	return s.Encrypt(plaintext, version)
}

// Password returns the password for a site, always the same for one mnemonic, name
// and policy. See PasswordPath for the name. It is printable ASCII, and the
// caller's to wipe. Errors: LOCKED, CLOSED, INVALID_INPUT.
func (s *Store) Password(site string, policy PasswordPolicy) ([]byte, error) {
	policy, err := policy.withDefaults()
	if err != nil {
		return nil, err
	}
	password := make([]byte, policy.Length)
	err = s.password(site, func(f *frame) error { return passwordText(f, policy, password) })
	if err != nil {
		return nil, err
	}
	return password, nil
}

// PasswordBytes returns the same password as bytes of any value, from 1 to 8,160 of
// them: the output of HKDF-SHA-256 of the site's key, without salt, with the info
// "alknet password v1".
func (s *Store) PasswordBytes(site string, length int) ([]byte, error) {
	if length < 1 || length > maxPasswordBytes {
		return nil, errorf(InvalidInput, "a password in bytes has from 1 to %d of them", maxPasswordBytes)
	}
	password := make([]byte, length)
	err := s.password(site, func(f *frame) error {
		passwordBytes(f, password)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return password, nil
}

func (s *Store) password(site string, fill func(*frame) error) error {
	path, err := PasswordPath(site)
	if err != nil {
		return err
	}
	return s.run(nil, ActionPassword, cacheKey{path, AES256GCM}, func(f *frame, _ []byte) error { return fill(f) })
}
