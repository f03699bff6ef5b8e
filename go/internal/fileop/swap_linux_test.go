package fileop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/alkdev/alknet/go/internal/call"
)

// TestLinkSwap swaps a folder against a link that leads outside, and a file too, while
// paths through them are read, written, listed and watched.
func TestLinkSwap(t *testing.T) {
	const rounds = 400
	o := offer(t, Config{}, "fs:*")
	in := func(name string) string { return filepath.Join(o.root, name) }
	must(t, os.Mkdir(in("real"), 0o755))
	must(t, os.WriteFile(in("real/secret"), []byte("the inside"), 0o600))
	must(t, os.Symlink(o.outside, in("bad")))
	must(t, os.Rename(in("real"), in("swap")))
	exchange := func(a, b string) {
		must(t, unix.Renameat2(unix.AT_FDCWD, in(a), unix.AT_FDCWD, in(b), unix.RENAME_EXCHANGE))
	}
	var stop atomic.Bool
	var swapping, working sync.WaitGroup
	swapping.Go(func() {
		for !stop.Load() {
			exchange("swap", "bad")
		}
	})
	var inside, refused atomic.Int64
	try := func(op string, input args) {
		working.Go(func() {
			for range rounds {
				got, err := o.call(op, input)
				switch {
				case strings.Contains(string(got), secret), strings.Contains(string(got), fmt.Sprintf(`"size":%d`, len(secret))):
					t.Errorf("%s got out: %s", op, got)
					return
				case err == nil:
					inside.Add(1)
				case call.CodeOf(err) == call.Internal:
					t.Errorf("%s: %v", op, err)
				default:
					refused.Add(1)
				}
			}
		})
	}
	try("/fs/read", args{"path": "swap/secret"})
	try("/fs/stat", args{"path": "swap/secret"})
	try("/fs/list", args{"path": "swap"})
	try("/fs/write", args{"path": "swap/appended", "content": "x", "mode": "append"})
	try("/fs/write", args{"path": "swap/written", "content": "x"})
	try("/fs/write", args{"path": "swap/deep/er", "content": "x", "parents": true})
	working.Wait()
	stop.Store(true)
	swapping.Wait()
	o.checkOutside(t)
	if inside.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d went well and %d were refused: the swap has tested nothing", inside.Load(), refused.Load())
	}
}
