//go:build !unix

package auth

import "io/fs"

// tooOpen is always false: Go sees no access lists here, only a read-only flag.
func tooOpen(fs.FileInfo) bool { return false }
