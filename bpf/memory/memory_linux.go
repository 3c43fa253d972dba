// Package memory tells how much memory there is to record in. It is asked while the
// program is being initialised: who reads more than there is room for is killed
// before anything could be said.
package memory

import (
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Own is what this process and its helpers take before they record, in bytes.
const Own = 32 << 20

// Usable returns how many bytes of memory the machine has, or this process
// may use together with others in its control group, if that is less: who uses
// more there is killed.
func Usable() int {
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
