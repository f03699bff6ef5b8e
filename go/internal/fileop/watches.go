package fileop

import (
	"sync"
	"time"

	"github.com/alkdev/alknet/go/internal/call"
)

// maxWatches is how many watches one identity may have of a folder at once.
const maxWatches = 64

// watches are those of one Folder. However many watch a path, one look serves all of
// them.
type watches struct {
	mu    sync.Mutex
	of    map[string]int     // by caller: see call.Request.CallerID
	paths map[string]*shared // by path
}

// shared is the last look at a path that somebody watches.
type shared struct {
	watchers int // guarded by watches.mu

	mu    sync.Mutex
	taken time.Time
	found map[string]look
	err   error
}

// begin counts a watch of a path, or says why there may not be another one. end is to be
// called once.
func (w *watches) begin(caller, path string) (s *shared, end func(), err *call.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[caller] >= maxWatches {
		return nil, nil, call.Errorf(call.ResourceExhausted, "this identity has %d watches already: end one of them", maxWatches)
	}
	if w.of == nil {
		w.of, w.paths = map[string]int{}, map[string]*shared{}
	}
	w.of[caller]++
	if s = w.paths[path]; s == nil {
		s = &shared{}
		w.paths[path] = s
	}
	s.watchers++
	return s, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.of[caller]--; w.of[caller] == 0 {
			delete(w.of, caller)
		}
		if s.watchers--; s.watchers == 0 {
			delete(w.paths, path)
		}
	}, nil
}

// look returns what was found at the path at most age ago, by another watch of it or now.
func (s *shared) look(age time.Duration, look func() (map[string]look, error)) (map[string]look, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken.IsZero() || time.Since(s.taken) >= age {
		s.found, s.err = look()
		s.taken = time.Now()
	}
	return s.found, s.err
}
