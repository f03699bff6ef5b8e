package schema

import "sync/atomic"

// maxMemory bounds what the texts that are judged at one time keep beside them, for the
// whole process. One that is larger is judged while no other is.
const maxMemory = 96 << 20

// free is the size below which nothing is counted.
const free = 16 << 10

var used atomic.Int64

func reserve(size int) bool {
	if size < free {
		return true
	}
	if after := used.Add(int64(size)); after > maxMemory && after != int64(size) {
		used.Add(int64(-size))
		return false
	}
	return true
}

func release(size int) {
	if size >= free {
		used.Add(int64(-size))
	}
}
