package recordtest

import (
	"os"
	"syscall"
	"testing"
)

// SmallDisk returns a folder on a disk of its own, of a size as of tmpfs(5), for as
// long as t runs. Without the right to mount one t is skipped, but fails in CI.
func SmallDisk(t testing.TB, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}
