//go:build linux && !alknet_addon

package secret

import (
	"errors"
	"fmt"
	"testing"

	"github.com/awnumar/memguard"
)

// buildTags are the tags that this test is built with.
const buildTags = ""

func init() {
	children["refused"] = func() { memoryTakenAway(refuse) }
	children["purged"] = func() { memoryTakenAway(func() error { memguard.Purge(); return nil }) }
}

// refuse makes memguard meet a kernel that refuses it memory, which destroys every
// buffer of the process.
func refuse() error {
	if newBuffer(4<<20) != nil {
		return errors.New("the kernel locked 4 MiB")
	}
	return nil
}

// memoryTakenAway uses stores whose memory goes away beneath them.
func memoryTakenAway(take func() error) {
	var events []Event
	used := NewStore(Options{OnEvent: func(e Event) { events = append(events, e) }})
	check(used.Unlock([]byte(testMnemonic), nil))
	h, err := used.Derive(IdentityPath(), Ed25519)
	check(err)
	unused := NewStore(Options{})
	check(unused.Unlock([]byte(testMnemonic), nil))

	check(take())
	if _, err := h.Sign([]byte("message")); CodeOf(err) != Locked {
		check(fmt.Errorf("signing without memory: %v", err))
	}
	if used.Status().State != StateLocked || events[len(events)-2].Action != ActionLock || events[len(events)-1].Code != Locked {
		check(fmt.Errorf("status %+v, events %+v", used.Status(), events))
	}
	unused.Lock()
	for _, s := range []*Store{used, unused} {
		check(s.Unlock([]byte(testMnemonic), nil))
		signs(s)
		s.Close()
	}
	fmt.Println("locked")
}

// TestMemoryTakenAway is about what memguard does and we do not want: it ends every
// store's memory when it meets a refusal. The stores are locked by that, and nothing
// else happens.
func TestMemoryTakenAway(t *testing.T) {
	binary := childBinary(t, buildTags)
	for _, how := range []string{"refused", "purged"} {
		t.Run(how, func(t *testing.T) {
			c := startChild(t, binary, "limits", limits(64<<10, false, how)...)
			c.expect(t, "locked")
			must(t, c.Wait())
		})
	}
}
