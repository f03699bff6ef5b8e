//go:build !amd64 && !arm64

package secret

const hasAVX = false

func clearRegisters(bool) {}
