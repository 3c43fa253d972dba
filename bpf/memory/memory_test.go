//go:build linux

package memory

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The least limit counts of a group and those that it is in, also where the name
// of the group is one outside of a container.
func TestGroupMemory(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"memory.max": "max\n", "a/memory.max": "700\n", "a/b/memory.max": "900\n", "a/b/c/memory.max": "max\n",
		"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/x/memory.limit_in_bytes": "500\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		groups string
		want   int
	}{
		{"", math.MaxInt},
		{"0::/\n", math.MaxInt},
		{"0::/a/b/c\n", 700},
		{"0::/a/elsewhere\n", 700},
		{"0::/../../a\n", 700},
		{"12:cpu,cpuacct:/a\n9:memory:/x/y\n1:name=systemd:/x\n0::/\n", 500},
		{"9:memory:/docker/1234\n0::/a\n", 700},
		{"not a group\n", math.MaxInt},
	} {
		if got := groupMemory(root, c.groups); c.want == math.MaxInt && got < 1<<60 || c.want < 1000 && got != c.want {
			t.Errorf("%q: %d, want %d", c.groups, got, c.want)
		}
	}
}
