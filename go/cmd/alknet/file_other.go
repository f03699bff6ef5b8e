//go:build !unix

package main

import "io/fs"

// readableByOthers is always false: Go sees no access lists here.
func readableByOthers(fs.FileInfo) bool { return false }

// inherited is always true: using a descriptor that is not open fails later.
func inherited(int) bool { return true }
