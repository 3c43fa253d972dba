//go:build unix

package locate

import (
	"io/fs"
	"os"
	"syscall"
)

// private tells whether only this user can have written the file. A recorder
// that runs as root must not take addresses from files of others.
func private(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
