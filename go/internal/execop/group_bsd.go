//go:build unix && !linux

package execop

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the program a process group of its own.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// reap waits for the program. Its number is free for a moment before its group is
// ended: there is no way here to know of its end and leave it.
func (s *run) reap() error {
	err := s.cmd.Wait()
	s.ended()
	return err
}
