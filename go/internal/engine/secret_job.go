package engine

import (
	"context"
	"runtime"
	"strconv"

	"github.com/alkdev/alknet/go/internal/call"
	"github.com/alkdev/alknet/go/secret"
)

// jobSlots bounds how many jobs compute at the same time, in all environments. One
// of Go's processors stays free: JavaScript's thread needs one whenever it calls the
// engine. While 50 stores unlock on two cores such a call waits for up to 0.8 ms, and
// without this bound for up to 5 ms.
var jobSlots = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))

// secretJob carries out the command `secret`: an operation that takes too long for
// JavaScript's thread. Secrets come as attachments and go as a result to take.
func (e *Environment) secretJob(f *fields) {
	req, name, handle, arguments := f.number(), string(f.next()), f.number(), f.next()
	input, second := e.attachments.take(f.optional()), e.attachments.take(f.optional())
	wipe := func() {
		clear(input)
		clear(second)
	}
	if f.bad {
		wipe()
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	e.mu.Lock()
	e.jobs[req] = cancel
	e.mu.Unlock()
	on := e.keyring.target(handle)
	locks := int64(0)
	if s := on.owner(); s != nil {
		locks = s.locks.Load()
	}
	e.run(func() {
		var result []byte
		err := error(call.Errorf(call.Internal, "the engine recovered from a defect of its own"))
		defer func() { // while a panic passes, too
			wipe()
			cancel()
			e.finishJob(req, result, err)
		}()
		result, err = e.slowSecret(ctx, locks, name, on, arguments, input, second)
	})
}

// finishJob answers a job.
func (e *Environment) finishJob(req int64, result []byte, err error) {
	e.mu.Lock()
	delete(e.jobs, req)
	e.mu.Unlock()
	if err != nil {
		clear(result)
		e.postError(kindError, req, err)
		return
	}
	length, number := len(result), int64(0)
	if length > 0 {
		number = e.keyring.keep(result)
	}
	e.post(kindResponded, req, []byte(`{"output":[`+strconv.FormatInt(number, 10)+`,`+strconv.Itoa(length)+`]}`))
}

// abortJob stops a job if the number is one's, and reports that.
func (e *Environment) abortJob(req int64) bool {
	e.mu.Lock()
	cancel, ok := e.jobs[req]
	e.mu.Unlock()
	if ok {
		cancel()
	}
	return ok
}

// stretches are the jobs that spend their time on a password hash, and use the store
// for a moment only.
var stretches = map[string]bool{"unlock": true, "create": true, "sshPrivateKey": true}

var errOvertaken = &secret.Error{Code: secret.Locked, Message: "the store was locked while it was being unlocked"}

var errAborted = call.Errorf(call.Aborted, "the caller's signal was aborted")

// takeSlot waits until the caller may compute; giveSlot lets the next one do so.
func takeSlot(ctx context.Context) error {
	select {
	case jobSlots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errAborted
	}
}

func giveSlot() { <-jobSlots }

// slowSecret carries out a job that was begun when JavaScript had locked the store
// so often. input and second may be overwritten.
func (e *Environment) slowSecret(ctx context.Context, locks int64, name string, on target, arguments, input, second []byte) ([]byte, error) {
	// What is long waits for its turn on the store before it takes a slot.
	if s := on.owner(); s != nil && !stretches[name] {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	if err := takeSlot(ctx); err != nil {
		return nil, err
	}
	defer giveSlot()
	if ctx.Err() != nil {
		return nil, errAborted
	}
	switch name {
	case "unlock", "create":
		if on.store == nil {
			return nil, errStoreClosed
		}
		return unlock(ctx, on.store, locks, name, arguments, input, second)
	case "sshPrivateKey":
		if on.key == nil {
			return nil, errNoKey
		}
		comment, err := commentOf(arguments)
		if err != nil {
			return nil, err
		}
		return on.key.ExportSSHPrivateKey(comment, input)
	}
	return e.operate(name, on, arguments, input)
}

// unlock unlocks a store with a phrase, or with a new one, which is the result. The
// store is locked again if JavaScript has given up or locked it meanwhile.
func unlock(ctx context.Context, s *store, locks int64, name string, arguments, phrase, passphrase []byte) ([]byte, error) {
	s.unlocking.Lock()
	defer s.unlocking.Unlock()
	revoked := func() error {
		switch {
		case ctx.Err() != nil:
			return errAborted
		case s.locks.Load() != locks:
			return errOvertaken
		}
		return nil
	}
	if err := revoked(); err != nil {
		return nil, err
	}
	var created []byte
	var err error
	if name == "create" {
		var a struct {
			Words    int
			Wordlist secret.Wordlist
		}
		if err := read(arguments, &a); err != nil {
			return nil, err
		}
		created, err = s.Create(a.Words, a.Wordlist, passphrase)
	} else {
		err = s.Unlock(phrase, passphrase)
	}
	if err != nil {
		return nil, err
	}
	if err := revoked(); err != nil {
		s.Lock()
		clear(created)
		return nil, err
	}
	return created, nil
}
