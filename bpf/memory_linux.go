//go:build amd64 || arm64

package bpf

import (
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// minQueue is what may wait where that is not too much of the memory.
const minQueue = 256 << 20

// queueLimit bounds what waits for a consumer that is slower than the recorded
// processes: a sixteenth of the memory that there is, or up to a quarter where
// that is little. Beyond it the ring buffer fills up and the kernel counts what is
// lost.
func queueLimit(memory int) int {
	return max(min(minQueue, memory/4), memory/16)
}

// usableMemory returns how many bytes of memory the machine has, or this process
// may use together with others in its control group, if that is less: who uses
// more there is killed.
func usableMemory() int {
	total := math.MaxInt
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		total = int(uint64(info.Totalram) * uint64(info.Unit))
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	return min(total, groupMemory("/sys/fs/cgroup", string(groups)))
}

// groupMemory returns the least memory that the control groups allow which groups
// names, as of /proc/PID/cgroup (cgroups(7)), or those that they are in: what does
// not exist below root is in a group whose name there is not known here.
func groupMemory(root, groups string) int {
	least := math.MaxInt
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		dir, name := root, "memory.max"
		if slices.Contains(strings.Split(f[1], ","), "memory") {
			dir, name = path.Join(root, "memory"), "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + f[2]); ; group = path.Dir(group) {
			text, _ := os.ReadFile(path.Join(dir, group, name))
			if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil { // else there is no limit
				least = min(least, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}
