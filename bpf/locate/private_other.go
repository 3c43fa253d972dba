//go:build !unix

package locate

import (
	"io/fs"
	"os"
)

// private is not known here. Probes are placed on Linux only.
func private(fs.FileInfo) bool { return true }

// cacheDir returns the user's folder for caches.
func cacheDir() (string, error) { return os.UserCacheDir() }
