//go:build !unix

package execop

import "os/exec"

// There are no process groups here: what a program has started outlives it.

func ownGroup(*exec.Cmd) {}

func signalGroup(cmd *exec.Cmd, _ signal) { _ = cmd.Process.Kill() }

func (s *run) reap() error {
	err := s.cmd.Wait()
	s.ended()
	return err
}
