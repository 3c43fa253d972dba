package record

import (
	"errors"
	"os"
)

// spoolDirs are the folders that temporary files may be in, "" the usual one.
var spoolDirs = []string{""}

// spoolFile returns a temporary file; Windows cannot remove one that is open,
// so closeSpool does.
func spoolFile(dir string) (*os.File, error) { return os.CreateTemp(dir, "ssltape-*") }

func closeSpool(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }
