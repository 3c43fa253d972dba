package record_test

import (
	"bytes"
	"path/filepath"
	"syscall"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// writeBody writes n bytes to b and checks that it has them all.
func writeBody(t *testing.T, n int) {
	t.Helper()
	var b record.Body
	defer b.Close()
	var want []byte
	for i := 0; len(want) < n; i++ {
		piece := bytes.Repeat([]byte{byte(i)}, 100_000)
		want = append(want, piece...)
		if _, err := b.Write(piece); err != nil {
			t.Fatalf("after %d bytes: %v", b.Len(), err)
		}
	}
	if got, err := b.Bytes(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, or others, %v", len(got), len(want), err)
	}
}

// A body finds room where there is no folder for temporary files.
func TestNoTemporaryFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	writeBody(t, 3<<20)
}

// A body goes on elsewhere when the folder for temporary files is full, and leaves
// nothing there.
func TestTemporaryFolderFull(t *testing.T) {
	dir := recordtest.SmallDisk(t, "2m")
	t.Setenv("TMPDIR", dir)
	writeBody(t, 5<<20)
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || st.Bfree != st.Blocks {
		t.Errorf("%d of %d blocks are free, %v", st.Bfree, st.Blocks, err)
	}
}
