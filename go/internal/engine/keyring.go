package engine

import (
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/secret"
)

// keyring holds what an environment has of secrets: its stores, the keys derived
// from them, the identities made of them, and results that JavaScript has not
// fetched yet. JavaScript numbers the first three, in one sequence.
type keyring struct {
	mu         sync.Mutex
	closed     bool
	stores     map[int64]*store
	keys       map[int64]*key
	identities map[int64]*identity
	results    map[int64][]byte
	lastResult int64
}

// store is a store with the number under which JavaScript knows it.
type store struct {
	*secret.Store
	number   int64
	observed atomic.Bool // JavaScript listens to its events
	// turn is held by an operation on another thread than JavaScript's: one at a time,
	// so that JavaScript itself never waits for more than one.
	turn sync.Mutex

	locks     atomic.Int64 // how often JavaScript has locked it
	unlocking sync.Mutex   // held by the one unlock under way
}

// key is a derived key.
type key struct {
	*secret.Handle
	store *store
}

var (
	errStoreClosed = &secret.Error{Code: secret.Closed, Message: "the store is closed"}
	errNoKey       = call.Errorf(call.Internal, "there is no such key")
	errNoIdentity  = call.Errorf(call.Internal, "there is no such identity")
)

func newKeyring() *keyring {
	return &keyring{stores: map[int64]*store{}, keys: map[int64]*key{}, identities: map[int64]*identity{}, results: map[int64][]byte{}}
}

// target is what the number of an operation names: a store, a key, or nothing. It is
// looked up when the operation is submitted and keeps what it names, which JavaScript may
// drop while the operation waits for its turn.
type target struct {
	number int64
	store  *store // nil unless the number is a store's
	key    *key   // nil unless the number is a key's
}

func (k *keyring) target(number int64) target {
	k.mu.Lock()
	defer k.mu.Unlock()
	return target{number, k.stores[number], k.keys[number]}
}

// owner returns the store that is named, or that of the key; nil for neither.
func (t target) owner() *store {
	if t.key != nil {
		return t.key.store
	}
	return t.store
}

// identity returns the identity of a number; nil for 0.
func (k *keyring) identity(number int64) (*identity, error) {
	if number == 0 {
		return nil, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if id := k.identities[number]; id != nil {
		return id, nil
	}
	return nil, errNoIdentity
}

// enter runs add under the lock, unless the environment has ended.
func (k *keyring) enter(add func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return errStoreClosed
	}
	add()
	return nil
}

// forget drops a key or an identity that JavaScript cannot name any more.
func (k *keyring) forget(number int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, number)
	delete(k.identities, number)
}

// closeStore wipes a store for good.
func (k *keyring) closeStore(number int64) {
	k.mu.Lock()
	s := k.stores[number]
	delete(k.stores, number)
	k.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

// keep holds a result until JavaScript takes it, and returns its number.
func (k *keyring) keep(result []byte) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		clear(result)
		return 0
	}
	k.lastResult++
	k.results[k.lastResult] = result
	return k.lastResult
}

// take moves a result to dst, which is as long as it.
func (k *keyring) take(number int64, dst []byte) (n int, ok bool) {
	k.mu.Lock()
	result, ok := k.results[number]
	if ok && len(result) <= len(dst) {
		delete(k.results, number)
	}
	k.mu.Unlock()
	if !ok || len(result) > len(dst) {
		return len(result), false
	}
	secret.Copy(dst, result)
	clear(result)
	return len(result), true
}

// close wipes everything, and waits until that is done.
func (k *keyring) close() {
	k.mu.Lock()
	stores, results := k.stores, k.results
	k.closed = true
	k.stores, k.keys, k.identities, k.results = nil, nil, nil, nil
	k.mu.Unlock()
	for _, s := range stores {
		s.Close()
	}
	for _, result := range results {
		clear(result)
	}
}
