//go:build unix

package fileop

import (
	"fmt"
	"os"
	"syscall"
)

// fileID tells files apart that have had the same name.
func fileID(info os.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	}
	return ""
}
