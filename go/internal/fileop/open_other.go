//go:build !unix

package fileop

// openNonBlocking: there are no pipes among the files here.
const openNonBlocking = 0
