//go:build !unix

package credential

import "io/fs"

const nonBlocking = 0

// writableByOthers is not known here: permissions are not in the mode.
func writableByOthers(fs.FileInfo) bool { return false }
