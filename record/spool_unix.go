//go:build !windows

package record

import "os"

// spoolDirs are the folders that temporary files may be in, "" the usual one. Where
// that is full or cannot be written to, most systems have others.
var spoolDirs = []string{"", "/var/tmp", "/dev/shm"}

// spoolFile returns a temporary file that has no name, so that it is gone
// with the process however that ends.
func spoolFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "ssltape-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func closeSpool(f *os.File) error { return f.Close() }
