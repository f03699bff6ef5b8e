package node

import "sync"

// heapFloor is memory that is reserved and never touched, so that it takes address
// space only. The collector starts when the heap has doubled: with a live heap of a
// few megabytes and short calls that is hundreds of times a second, and with the
// floor once in 16 MiB of garbage. It matters less the larger the live heap is,
// unlike a higher GOGC, which would multiply that too.
var heapFloor = sync.OnceValue(func() []byte { return make([]byte, 16<<20) })
