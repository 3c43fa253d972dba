//go:build unix

package locate

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// private tells whether only this user can have written the file. A recorder
// that runs as root must not take addresses from files of others.
func private(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}

// cacheDir returns the folder for caches of the user that this process runs as.
// Under sudo the environment may still name the home of who called it, where
// files of root would be in the way.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err == nil && owned(dir) {
		return dir, nil
	}
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return "", err
	}
	return filepath.Join(u.HomeDir, ".cache"), nil
}

// owned tells whether the folder, or where there is none yet the next one above
// it, belongs to this user.
func owned(dir string) bool {
	for {
		var s syscall.Stat_t
		if syscall.Stat(dir, &s) == nil {
			return int(s.Uid) == os.Geteuid()
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}
