//go:build amd64 || arm64

package secret

import "golang.org/x/sys/cpu"

// clearRegisters zeroes the vector registers, through which hashing, AES and every
// copy go. What they hold is saved to the stack when the goroutine is interrupted,
// and stays in an idle thread.
func clearRegisters(avx bool)

var hasAVX = cpu.X86.HasAVX
