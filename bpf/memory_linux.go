package bpf

import (
	"math"
	"math/bits"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// minQueue is what may wait where that is not too much of the memory.
	minQueue = 256 << 20
	// leastQueue is what may wait in any case.
	leastQueue = 4 << 20
	// ownMemory is what this process and its helpers take before they record.
	ownMemory = 32 << 20
)

// queueLimit bounds what waits for a consumer that is slower than the recorded
// processes: a sixteenth of the memory that there is, or up to a quarter of what is
// left of it where that is little. Beyond it the ring buffer fills up and the kernel
// counts what is lost.
func queueLimit(memory int) int {
	return max(min(minQueue, (memory-ownMemory)/4), memory/16, leastQueue)
}

// bufferSize returns the size of a ring buffer: what is wanted, rounded up, or where
// that is 0 what is usual, and less where that is too much of the memory.
func bufferSize(wanted, memory int) int {
	if wanted > 0 {
		return max(os.Getpagesize(), 1<<bits.Len(uint(wanted-1)))
	}
	size := defaultBuffer
	for size > leastBuffer && size > memory/16 {
		size /= 2
	}
	return size
}

// UsableMemory returns how many bytes of memory the machine has, or this process
// may use together with others in its control group, if that is less: who uses
// more there is killed.
func UsableMemory() int {
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
