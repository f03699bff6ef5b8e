package call

// abortRing remembers the last few ids that were aborted. A lost memory costs a
// little traffic, never correctness, so it is small and fixed.
type abortRing struct {
	ids  [64]string
	next int
}

func (r *abortRing) add(id string) {
	r.ids[r.next] = id
	r.next = (r.next + 1) % len(r.ids)
}

func (r *abortRing) has(id string) bool {
	for _, known := range r.ids {
		if known == id && id != "" {
			return true
		}
	}
	return false
}
