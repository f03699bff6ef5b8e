//go:build unix

package execop

import (
	"os/exec"
	"syscall"
)

func signalGroup(cmd *exec.Cmd, what signal) {
	number := syscall.SIGTERM
	if what == kill {
		number = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, number)
}
