package call

import "slices"

// abortRing remembers the last few ids that were aborted. A lost memory costs a
// little traffic, never correctness, so it is small; a session without aborts has none.
type abortRing struct {
	ids  []string
	next int // the oldest, once it is full
}

// maxAborted is how many ids an abortRing remembers.
const maxAborted = 64

func (r *abortRing) add(id string) {
	if len(r.ids) < maxAborted {
		r.ids = append(r.ids, id)
		return
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % maxAborted
}

func (r *abortRing) has(id string) bool {
	return id != "" && slices.Contains(r.ids, id)
}
