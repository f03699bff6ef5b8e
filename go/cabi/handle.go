package main

import (
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/go/internal/engine"
)

// Handles of environments start far from small numbers, so that a confused
// descriptor or index is not taken for one, and are never reused.
const firstHandle = 1 << 20

var (
	environments sync.Map // int64 to *engine.Environment
	handles      atomic.Int64
)

func addEnvironment(e *engine.Environment) int64 {
	handle := firstHandle + handles.Add(1)
	environments.Store(handle, e)
	return handle
}

// environmentOf returns nil for a stale handle.
func environmentOf(handle int64) *engine.Environment {
	e, _ := environments.Load(handle)
	env, _ := e.(*engine.Environment)
	return env
}

func removeEnvironment(handle int64) *engine.Environment {
	e, _ := environments.LoadAndDelete(handle)
	env, _ := e.(*engine.Environment)
	return env
}
