package record

import (
	"errors"
	"os"
)

// spoolFile returns a temporary file; Windows cannot remove one that is open,
// so closeSpool does.
func spoolFile() (*os.File, error) { return os.CreateTemp("", "ssltape-*") }

func closeSpool(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }
