package systemd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reloading gives the state that says that the service has begun to reload; Ready
// ends it.
func Reloading() string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // there is such a clock
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
