package call

// batch is what a reading goroutine owes to the sessions that it passed frames on to:
// they are written when every frame that had arrived is handled, so that frames that
// came together leave together.
type batch struct{ touched []*output }

// touch has o written with the batch; nil writes it at once, without blocking.
func (b *batch) touch(o *output) {
	if b == nil {
		o.flushEagerly()
		return
	}
	for _, known := range b.touched {
		if known == o {
			return
		}
	}
	b.touched = append(b.touched, o)
}

// flush does not block.
func (b *batch) flush() {
	for i, o := range b.touched {
		o.flushEagerly()
		b.touched[i] = nil
	}
	b.touched = b.touched[:0]
}
