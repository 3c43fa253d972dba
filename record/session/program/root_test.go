package program_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ssltape/record/session/program"
)

// Programs with another root folder find their libraries below it.
func TestLibrariesIn(t *testing.T) {
	root := t.TempDir()
	var want []string
	for _, name := range []string{"lib/x86_64-linux-gnu/libssl.so.3", "usr/lib/libgnutls.so.30", "usr/lib/libz.so.1", "opt/libssl.so.3"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(want) < 2 {
			want = append(want, path)
		}
	}
	got := program.LibrariesIn(root)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("libraries %v, want %v", got, want)
	}
}
