//go:build !windows

package record

import "os"

// spoolFile returns a temporary file that has no name, so that it is gone
// with the process however that ends.
func spoolFile() (*os.File, error) {
	f, err := os.CreateTemp("", "ssltape-*")
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
